#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
#include <fg/log/metrics.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

namespace fg::log {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

TrainRecord record_of(std::int64_t step) {
  return {.step = step,
          .epoch = 0.5,
          .loss = 2.25,
          .grad_norm = 1.5,
          .lr = 1e-5,
          .tokens = 100 * step,
          .trained_tokens = 60 * step,
          .tokens_per_second = 1234.5,
          .mfu = 0.25,
          .memory_gib = {1.5, 2.5},
          .data_wait_s = 0.125};
}

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<int> steps_of(const std::filesystem::path& path) {
  std::vector<int> steps;
  for (const std::string& line : lines_of(path))
    steps.push_back(parse_json(line, "line").at("step").get<int>());
  return steps;
}

void append(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::app) << text;
}

void write_run(const std::filesystem::path& folder, int steps) {
  MetricsLog log(folder, std::nullopt);
  for (int step = 1; step <= steps; ++step) log.write(record_of(step));
}

TEST(MetricsLog, WritesEachRecordAtOnceIntoBothFiles) {
  const test::TemporaryFolder folder;
  MetricsLog log(folder.path(), std::nullopt);

  log.write(record_of(10));
  log.write(EvalRecord{.step = 10, .eval_loss = 2, .eval_perplexity = 7.5, .eval_tokens = 99});

  // Read while the log is open: what a killed job leaves.
  EXPECT_EQ(lines_of(folder / "metrics.jsonl"),
            (std::vector<std::string>{
                R"({"step":10,"epoch":0.5,"loss":2.25,"grad_norm":1.5,"lr":1e-05,"tokens":1000,)"
                R"("trained_tokens":600,"tokens_per_second":1234.5,"mfu":0.25,)"
                R"("memory_gib":[1.5,2.5],"data_wait_s":0.125})",
                R"({"step":10,"eval_loss":2.0,"eval_perplexity":7.5,"eval_tokens":99})"}));
  EXPECT_EQ(
      lines_of(folder / "metrics.csv"),
      (std::vector<std::string>{
          "step,epoch,loss,grad_norm,lr,tokens,trained_tokens,tokens_per_second,mfu,"
          "memory_gib,data_wait_s,eval_loss,eval_perplexity,eval_tokens",
          "10,0.5,2.25,1.5,1e-05,1000,600,1234.5,0.25,2.5,0.125,,,", "10,,,,,,,,,,,2.0,7.5,99"}));
}

TEST(MetricsLog, LeavesOutWhatIsNotKnown) {
  TrainRecord record = record_of(1);
  record.grad_norm.reset();
  record.mfu.reset();

  const Json line = parse_json(json_line(record), "line");

  EXPECT_FALSE(line.contains("grad_norm"));
  EXPECT_FALSE(line.contains("mfu"));
  EXPECT_FALSE(line.contains("not_finite"));
}

TEST(MetricsLog, StaysJsonWhereNumbersAreNotFinite) {
  TrainRecord record = record_of(3);
  record.loss = nan;
  record.grad_norm = infinity;
  record.lr = -infinity;
  record.memory_gib = {nan, 1};

  const Json line = parse_json(json_line(record), "line");

  EXPECT_TRUE(line.at("loss").is_null());
  EXPECT_EQ(line.at("memory_gib"), Json::parse("[null, 1.0]"));
  EXPECT_EQ(
      line.at("not_finite"),
      Json::parse(R"({"loss": "nan", "grad_norm": "inf", "lr": "-inf", "memory_gib": "nan"})"));
}

TEST(MetricsLog, NamesNumbersThatAreNotFiniteInTheTable) {
  const test::TemporaryFolder folder;
  MetricsLog log(folder.path(), std::nullopt);

  log.write(EvalRecord{.step = 4, .eval_loss = nan, .eval_perplexity = infinity, .eval_tokens = 1});

  EXPECT_EQ(lines_of(folder / "metrics.csv").at(1), "4,,,,,,,,,,,nan,inf,1");
}

TEST(MetricsLog, DropsOnResumeWhatLiesBeyondTheStepAndNothingElse) {
  const test::TemporaryFolder folder;
  write_run(folder.path(), 9);
  const auto before = lines_of(folder / "metrics.csv");

  MetricsLog log(folder.path(), 6);

  EXPECT_EQ(steps_of(folder / "metrics.jsonl"), (std::vector<int>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(lines_of(folder / "metrics.csv"),
            (std::vector<std::string>(before.begin(), before.begin() + 7)));
  log.write(record_of(7));
  EXPECT_EQ(steps_of(folder / "metrics.jsonl"), (std::vector<int>{1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(lines_of(folder / "metrics.csv").size(), 8U);
}

TEST(MetricsLog, KeepsLinesOfAnEarlierPartToTheByte) {
  const test::TemporaryFolder folder;
  const std::string line = R"({"step": 2, "loss": 1.50, "note": "kept"})";
  append(folder / "metrics.jsonl", line + "\n");

  const MetricsLog log(folder.path(), 2);

  EXPECT_EQ(lines_of(folder / "metrics.jsonl"), std::vector<std::string>{line});
}

TEST(MetricsLog, DropsAHalfLastLine) {
  const test::TemporaryFolder folder;
  write_run(folder.path(), 2);
  append(folder / "metrics.jsonl", R"({"step":2,"lo)");
  append(folder / "metrics.csv", "2,0.5,");

  MetricsLog log(folder.path(), 5);
  log.write(record_of(3));

  EXPECT_EQ(steps_of(folder / "metrics.jsonl"), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(lines_of(folder / "metrics.csv").at(3).substr(0, 2), "3,");
}

TEST(MetricsLog, ReadsPastDamage) {
  const test::TemporaryFolder folder;
  append(folder / "metrics.jsonl", std::string("\0\0\0\n", 4) + "[1]\n{}\n{\"step\":1.5}\n\n" +
                                       std::string(3 << 20, '[') + "\n{\"step\":1}\n");

  const MetricsLog log(folder.path(), 5);

  EXPECT_EQ(lines_of(folder / "metrics.jsonl"), std::vector<std::string>{"{\"step\":1}"});
}

TEST(MetricsLog, TakesTheTableFromTheTruthAfterACutBetweenTheTwo) {
  const test::TemporaryFolder folder;
  write_run(folder.path(), 3);
  std::filesystem::remove(folder / "metrics.csv");

  const MetricsLog log(folder.path(), 3);

  EXPECT_EQ(lines_of(folder / "metrics.csv").size(), 4U);
}

TEST(MetricsLog, SurvivesALeftOverOfARewriteThatWasKilled) {
  const test::TemporaryFolder folder;
  write_run(folder.path(), 3);
  append(folder / ".metrics.jsonl.new", "half");

  const MetricsLog log(folder.path(), 3);

  EXPECT_EQ(steps_of(folder / "metrics.jsonl").size(), 3U);
  EXPECT_FALSE(std::filesystem::exists(folder / ".metrics.jsonl.new"));
}

TEST(MetricsLog, KeepsTheRunBeforeWhenOneBeginsAnew) {
  const test::TemporaryFolder folder;
  write_run(folder.path(), 3);

  write_run(folder.path(), 1);

  EXPECT_EQ(steps_of(folder / "metrics.jsonl"), std::vector<int>{1});
  EXPECT_EQ(steps_of(folder / "metrics.previous.jsonl").size(), 3U);
  EXPECT_EQ(lines_of(folder / "metrics.previous.csv").size(), 4U);
}

TEST(MetricsLog, SaysWhereItCannotWrite) {
  test::expect_error(ExitCode::cannot_save, "/proc/fg-no-such",
                     [] { MetricsLog("/proc/fg-no-such", std::nullopt); });
}

}  // namespace
}  // namespace fg::log
