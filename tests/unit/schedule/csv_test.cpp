#include <gtest/gtest.h>

#include <fg/schedule/csv.hpp>
#include <fg/test/expect_error.hpp>

#include "plans.hpp"

namespace {

using namespace fg::schedule;
using fg::ExitCode;
using fg::test::all_kinds;
using fg::test::compute_plan;
using fg::test::expect_error;
using fg::test::full_plan;

const std::string good =
    "fg-plan,1\n"
    "schedule,my_own\n"
    "microbatches,1\n"
    "rank_of_stage,0,1\n"
    "live_limit,1,1\n"
    "parts,transfers\n"
    "rank,0,0F0,0SA0,0RG0,0B0,0W0\n"
    "rank,1,1RA0,1F0,1B0,1SG0,1W0\n";

std::string with(const std::string& old_part, const std::string& new_part) {
  std::string text = good;
  const std::size_t at = text.find(old_part);
  EXPECT_NE(at, std::string::npos) << old_part;
  return text.replace(at, old_part.size(), new_part);
}

TEST(PlanCsv, ComesBackAsItWas) {
  for (const Kind kind : all_kinds())
    for (const Plan& plan :
         {compute_plan(kind, 3, 4), full_plan(kind, 3, 4), full_plan(kind, 1, 1)})
      EXPECT_EQ(from_csv(to_csv(plan), "plan"), plan) << to_string(kind);
  EXPECT_EQ(to_csv(from_csv(good, "plan")), good);
}

TEST(PlanCsv, IsTakenAsSpreadsheetsLeaveIt) {
  std::string text = good;
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 5)
    text.replace(at, 1, ",,,\r\n");
  EXPECT_EQ(from_csv(text + ",,\r\n\r\n", "plan"), from_csv(good, "plan"));
  EXPECT_EQ(from_csv(good.substr(0, good.size() - 1), "plan"), from_csv(good, "plan"));
}

TEST(PlanCsv, IsRefusedWithLineAndColumn) {
  const auto refused = [](const std::string& text, const std::string& message) {
    expect_error(ExitCode::data, message, [&] { from_csv(text, "my.csv"); });
  };
  refused("", "my.csv:1:1: the text ends where a line 'fg-plan' belongs");
  refused("hello\n", "my.csv:1:1: found 'hello' where 'fg-plan' belongs");
  refused(with("fg-plan,1", "fg-plan,2"), "my.csv:1:9: '2' is not a number from 1 to 1");
  refused(with("fg-plan,1", "fg-plan"), "my.csv:1:1: the version is missing");
  refused(with("my_own", "My own"), "my.csv:2:10: 'My own' is not a name");
  refused(with("my_own", std::string(65, 'a')), "is not a name");
  refused(with("my_own", "a,b"), "my.csv:2:12: a cell more than the schedule's name");
  refused(with("microbatches,1", "microbatches,0"), "my.csv:3:14: '0' is not a number from 1");
  refused(with("microbatches,1", "microbatches,1x"), "my.csv:3:14: '1x' is not a number");
  refused(with("microbatches,1", "microbatches,99999999999999999999"), "is not a number");
  refused(with("microbatches,1", "microbatches,1000000"), "my.csv:4:1: 2 stages x 1000000");
  refused(with("rank_of_stage,0,1", "rank_of_stage,0,4096"), "my.csv:4:17: '4096' is not");
  refused(with("rank_of_stage,0,1", "rank_of_stage,0,2"), "my.csv:4:1: 2 stages for 3 ranks");
  refused(with("rank_of_stage,0,1", "rank_of_stage"), "my.csv:4:1: 0 ranks");
  refused(with("live_limit,1,1", "live_limit,1"), "my.csv:5:1: 1 limits for 2 ranks");
  refused(with("live_limit,1,1", "live_limit,1,1,1"), "my.csv:5:16: a limit more than the 2 ranks");
  refused(with("parts,transfers", "parts,transfer"), "my.csv:6:7: 'transfer' is no part");
  refused(with("parts,transfers", "parts,tied,tied"), "my.csv:6:12: 'tied' is there twice");
  refused(with("rank,1", "rank,2"), "my.csv:8:6: the program of rank 1 belongs here");
  refused(with("0SA0", "0S0"), "my.csv:7:12: '0S0' is no action; '2F0' is one");
  refused(with("0SA0", ""), "my.csv:7:12: '' is no action");
  refused(with("0SA0", "2F0"), "my.csv:7:12: 2F0 is beyond 2 stages and 1 microbatches");
  refused(with("0SA0", "0F1"), "my.csv:7:12: 0F1 is beyond");
  refused(with("0SA0", "0\x01\xff"), "my.csv:7:12: '0?\?' is no action");
  refused(with("0SA0", std::string(1000, '9')), "...' is no action");
  refused(good + "rank,2,0F0\n", "my.csv:9:1: a line behind the last rank's");
  refused(good.substr(0, good.find("rank,1")), "my.csv:8:1: the text ends where a line 'rank'");
}

TEST(PlanCsv, OfAbsurdSizeIsRefusedUnread) {
  expect_error(ExitCode::data, "a plan has at most",
               [] { from_csv(std::string((std::size_t{64} << 20) + 1, ','), "big"); });
}

}  // namespace
