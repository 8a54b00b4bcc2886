#include <gtest/gtest.h>

#include <fg/session/session.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/mpi_session.hpp>

namespace fg::session {
namespace {

Session& session() {
  return test::mpi_session();
}

TEST(Session, AgreesOnTheLargestCode) {
  const bool last = session().rank() == session().size() - 1;

  EXPECT_EQ(session().agree(ExitCode::done), ExitCode::done);
  EXPECT_EQ(session().agree(last ? ExitCode::cannot_save : ExitCode::done), ExitCode::cannot_save);
}

TEST(Session, FindsTheSmallestNumber) {
  const auto rank = static_cast<std::uint64_t>(session().rank());

  EXPECT_EQ(session().smallest(100 - rank), 101 - static_cast<std::uint64_t>(session().size()));
}

TEST(Session, UnitesTheBitsOfAllRanks) {
  const std::uint64_t mine = std::uint64_t{1} << session().rank();

  EXPECT_EQ(session().united(mine), (std::uint64_t{1} << session().size()) - 1);
}

TEST(Session, BroadcastsTheTextOfTheFirstRank) {
  const std::string mine = "from " + std::to_string(session().rank());

  EXPECT_EQ(session().broadcast(mine), "from 0");
  EXPECT_EQ(session().broadcast(""), "");
}

TEST(Session, GathersTextsInRankOrderOnTheFirstRank) {
  const std::string mine(static_cast<std::size_t>(session().rank()), 'x');

  const auto texts = session().gather(mine);

  ASSERT_EQ(texts.size(), session().is_first() ? static_cast<std::size_t>(session().size()) : 0u);
  for (std::size_t r = 0; r < texts.size(); ++r) EXPECT_EQ(texts[r], std::string(r, 'x'));
}

TEST(Session, LetsEveryRankLeaveWhenOneFails) {
  const int culprit = session().size() - 1;
  const auto part = [&] {
    session().together([&] {
      if (session().rank() == culprit) fail(ExitCode::data, "row 7 is bad");
    });
  };

  test::expect_error(ExitCode::data, session().rank() == culprit ? "row 7" : "another rank", part);
}

TEST(Session, GoesOnWhenNoneFails) {
  int ran = 0;
  session().together([&] { ++ran; });

  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace fg::session
