#include <array>

#include <gtest/gtest.h>

#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
#include <fg/comm/history.hpp>
#include <fg/session/pulse.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

namespace fg::comm {
namespace {

Json written(const History& history) {
  const test::TemporaryFolder folder;
  history.write(folder / "hang-3.json", 3);
  return read_json(folder / "hang-3.json");
}

TEST(History, TellsWhatBeganAndWhatEnded) {
  History history;
  const auto first = history.begin({"send", "bfloat16 [2, 3]", 12, {1}, 7});
  history.begin({"barrier", "", 0, {0, 1}, std::nullopt});
  history.end(first);
  session::enter_section("evaluation", 9);
  session::note_waiting(std::array{0, 2}, "agree");

  const Json report = written(history);
  session::done_waiting();

  EXPECT_EQ(report["rank"], 3);
  EXPECT_EQ(report["section"], "evaluation");
  EXPECT_EQ(report["waits_in"], "agree");
  EXPECT_EQ(report["waits_for"], Json({0, 2}));
  ASSERT_EQ(report["operations"].size(), 2u);
  const Json& send = report["operations"][0];
  EXPECT_EQ(send["operation"], "send");
  EXPECT_EQ(send["tensor"], "bfloat16 [2, 3]");
  EXPECT_EQ(send["bytes"], 12);
  EXPECT_EQ(send["peers"], Json({1}));
  EXPECT_EQ(send["tag"], 7);
  EXPECT_LE(send["begun"].get<double>(), send["ended"].get<double>());
  EXPECT_LE(send["ended"].get<double>(), report["written"].get<double>());
  EXPECT_TRUE(report["operations"][1]["ended"].is_null());
  EXPECT_TRUE(report["operations"][1]["tag"].is_null());
}

TEST(History, KeepsTheLastOperationsInTheirOrder) {
  History history;
  for (int i = 0; i < 600; ++i) history.begin({"send", "", 0, {i}, 0});
  history.end(0);  // gone: must not end the one that has its place now
  history.end(598);

  const Json operations = written(history)["operations"];

  ASSERT_EQ(operations.size(), History::kept);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    EXPECT_EQ(operations[i]["number"], 600 - History::kept + i);
    EXPECT_EQ(operations[i]["peers"][0], 600 - History::kept + i);
    EXPECT_EQ(operations[i]["ended"].is_null(), operations[i]["number"] != 598);
  }
}

TEST(History, ReplacesAnOldReportAndRefusesAFolderThatIsNotThere) {
  const test::TemporaryFolder folder;
  const History history;
  history.write(folder / "hang-0.json", 0);
  history.write(folder / "hang-0.json", 5);
  EXPECT_EQ(read_json(folder / "hang-0.json")["rank"], 5);
  test::expect_error(ExitCode::cannot_save, "nowhere",
                     [&] { history.write(folder / "nowhere/hang-0.json", 0); });
}

}  // namespace
}  // namespace fg::comm
