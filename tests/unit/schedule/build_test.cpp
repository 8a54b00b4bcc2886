#include <gtest/gtest.h>

#include <fg/schedule/build.hpp>
#include <fg/schedule/check.hpp>
#include <fg/test/expect_error.hpp>

#include "plans.hpp"

namespace {

using namespace fg::schedule;
using fg::ExitCode;
using fg::test::all_kinds;
using fg::test::compute_plan;
using fg::test::expect_error;

std::string text(const Program& program) {
  std::string all;
  for (const Action& action : program) all += (all.empty() ? "" : " ") + to_string(action);
  return all;
}

TEST(ScheduleNames, AreReadAsUsersWriteThem) {
  for (const Kind kind : all_kinds()) EXPECT_EQ(parse_kind(to_string(kind)), kind);
  EXPECT_EQ(kind_names().size(), all_kinds().size());
  EXPECT_EQ(parse_kind("Schedule1F1B"), Kind::one_forward_one_backward);
  EXPECT_EQ(parse_kind("ScheduleGPipe"), Kind::gpipe);
  EXPECT_EQ(parse_kind("ScheduleInterleaved1F1B"), Kind::interleaved);
  EXPECT_EQ(parse_kind("ScheduleZBVZeroBubble"), Kind::zero_bubble_v);
  EXPECT_EQ(parse_kind("ZB-H1"), Kind::zero_bubble_h1);
  EXPECT_EQ(parse_kind("Interleaved-1F1B"), Kind::interleaved);
}

TEST(ScheduleNames, AreRefusedWithTheNearest) {
  expect_error(ExitCode::usage, {"schedule '1f1bb' is not known", "gpipe, 1f1b", "mean '1f1b'?"},
               [] { parse_kind("1f1bb"); });
  expect_error(ExitCode::usage, {"'ScheduleGPip' is not known", "mean 'gpipe'?"},
               [] { parse_kind("ScheduleGPip"); });
  expect_error(ExitCode::usage, "'' is not known", [] { parse_kind(""); });
  expect_error(ExitCode::usage, "is not known", [] { parse_kind(std::string(100000, 'x')); });
}

TEST(ScheduleNames, OfPyTorchThatAreNotHereNameWhatIs) {
  expect_error(ExitCode::usage, {"ScheduleInterleavedZeroBubble", "does not have it", "'zb_h1'"},
               [] { parse_kind("ScheduleInterleavedZeroBubble"); });
  expect_error(ExitCode::usage, "'zbv'", [] { parse_kind("ScheduleDualPipeV"); });
  expect_error(ExitCode::usage, "'interleaved_1f1b'", [] { parse_kind("ScheduleLoopedBFS"); });
}

TEST(Build, GivesTheOrdersOfTheBooks) {
  EXPECT_EQ(text(compute_plan(Kind::gpipe, 2, 2).programs[1]), "1F0 1F1 1B0 1W0 1B1 1W1");
  EXPECT_EQ(text(compute_plan(Kind::one_forward_one_backward, 2, 3).programs[0]),
            "0F0 0F1 0B0 0W0 0F2 0B1 0W1 0B2 0W2");
  EXPECT_EQ(text(compute_plan(Kind::one_forward_one_backward, 2, 2).programs[1]),
            "1F0 1B0 1W0 1F1 1B1 1W1");
  EXPECT_EQ(text(compute_plan(Kind::zero_bubble_h1, 2, 2).programs[1]), "1F0 1B0 1F1 1B1 1W0 1W1");
  EXPECT_EQ(text(compute_plan(Kind::interleaved, 2, 2).programs[0]),
            "0F0 0F1 2F0 2F1 2B0 2W0 2B1 2W1 0B0 0W0 0B1 0W1");
}

TEST(Build, PlacesStagesInTurnOrInAV) {
  EXPECT_EQ(compute_plan(Kind::interleaved, 2, 1, 6).shape.rank_of_stage,
            (std::vector<int>{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(compute_plan(Kind::zero_bubble_v, 3, 1).shape.rank_of_stage,
            (std::vector<int>{0, 1, 2, 2, 1, 0}));
}

TEST(Build, TakesAnyNumberOfMicrobatches) {
  for (const Kind kind : all_kinds())
    for (int microbatches = 1; microbatches <= 9; ++microbatches)
      EXPECT_EQ(find_fault(compute_plan(kind, 4, microbatches)), std::nullopt)
          << to_string(kind) << " " << microbatches;
}

TEST(Build, OnOneRankIsOneProcessWithItsMicrobatches) {
  for (const Kind kind : {Kind::one_forward_one_backward, Kind::zero_bubble_h1})
    EXPECT_EQ(text(compute_plan(kind, 1, 2).programs[0]), "0F0 0B0 0W0 0F1 0B1 0W1");
}

TEST(Build, RefusesStagesWithBothNumbers) {
  expect_error(ExitCode::usage, {"1f1b: 4 stages on 2 ranks", "needs 2"},
               [] { compute_plan(Kind::one_forward_one_backward, 2, 8, 4); });
  expect_error(ExitCode::usage, {"zbv: 3 stages on 2 ranks", "needs 4"},
               [] { compute_plan(Kind::zero_bubble_v, 2, 8, 3); });
  expect_error(ExitCode::usage, {"interleaved_1f1b: 5 stages on 2 ranks", "same number"},
               [] { compute_plan(Kind::interleaved, 2, 8, 5); });
}

TEST(Build, KeepsMoreMicrobatchesInFlightWhereAsked) {
  const Plan plan = build({Kind::one_forward_one_backward, 2, 4, 0, {1}});
  EXPECT_EQ(text(plan.programs[0]), "0F0 0F1 0F2 0B0 0W0 0F3 0B1 0W1 0B2 0W2 0B3 0W3");
  EXPECT_EQ(plan.live_limit, (std::vector<int>{3, 1}));
  for (const Kind kind : {Kind::one_forward_one_backward, Kind::zero_bubble_h1})
    for (int ranks = 1; ranks <= 5; ++ranks)
      for (const int extra : {1, 2, 7, 100}) {
        const std::vector<int> everywhere(static_cast<std::size_t>(ranks - 1), extra);
        EXPECT_EQ(find_fault(build({kind, ranks, 9, 0, everywhere})), std::nullopt)
            << to_string(kind) << " " << ranks << " " << extra;
      }
  EXPECT_EQ(extra_on_wires({0, 0, 1, 2}, 3), (std::vector<int>{0, 3, 3}));
  expect_error(ExitCode::usage, "gpipe: it takes no extra warm-up", [] {
    build({Kind::gpipe, 2, 4, 0, {1}});
  });
  expect_error(ExitCode::usage, "extra warm-up for 2 boundaries between 2 ranks", [] {
    build({Kind::one_forward_one_backward, 2, 4, 0, {1, 1}});
  });
  expect_error(ExitCode::usage, "extra warm-up of -1", [] {
    build({Kind::one_forward_one_backward, 2, 4, 0, {-1}});
  });
}

TEST(Build, RefusesNumbersThatAreNone) {
  expect_error(ExitCode::usage, "0 ranks", [] { compute_plan(Kind::gpipe, 0, 8); });
  expect_error(ExitCode::usage, "-3 ranks", [] { compute_plan(Kind::interleaved, -3, 8); });
  expect_error(ExitCode::usage, "0 microbatches", [] { compute_plan(Kind::zero_bubble_v, 2, 0); });
  expect_error(ExitCode::usage, "-4 stages", [] { compute_plan(Kind::interleaved, 2, 8, -4); });
  expect_error(ExitCode::usage, "2000000000 ranks",
               [] { compute_plan(Kind::interleaved, 2000000000, 2000000000); });
  expect_error(ExitCode::usage, "at most 1048576",
               [] { compute_plan(Kind::interleaved, 2, 2000000000, 2000000000); });
  expect_error(ExitCode::usage, "at most 1048576",
               [] { compute_plan(Kind::gpipe, 4096, 2000000000); });
}

}  // namespace
