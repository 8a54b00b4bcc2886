#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/session/pulse.hpp>

#include "beat.hpp"

namespace fg::session {
namespace {

const std::vector<std::string> hosts = {"h1", "h1", "h2", "h2"};

RankState in_step(std::uint64_t number, std::vector<int> waits_for = {}) {
  RankState state;
  state.beat.section = {'s', 't', 'e', 'p'};
  std::copy_n("recv", 4, state.beat.waits_in.begin());
  state.beat.number = number;
  state.beat.section_timeout_s = 30;
  state.beat.waits = static_cast<std::int32_t>(waits_for.size());
  std::copy(waits_for.begin(), waits_for.end(), state.beat.waits_for.begin());
  return state;
}

TEST(Judge, FindsNoFaultWithAJobThatGoesOn) {
  RankStates states(4, in_step(3));
  states[1].silent_s = 9.9;
  states[2].beat.still_s = 29;
  states[3] = in_step(3, {2});
  states[3].beat.still_s = 1000;  // it waits

  EXPECT_FALSE(judge(states, hosts, 10));
}

TEST(Judge, NamesARankThatIsSilentAndWhoWaitsForIt) {
  RankStates states = {in_step(41, {2}), in_step(41, {0}), in_step(40), in_step(41, {2, 0})};
  states[2].silent_s = 12;
  states[1].beat.still_s = 100;

  const auto verdict = judge(states, hosts, 10);

  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->culprits, std::vector<int>{2});
  EXPECT_EQ(verdict->text,
            "rank 2 (h2) has not been heard of for 12 s, last in 'step 40'; rank 0 (h1), rank 3 "
            "(h2) wait for it");
}

TEST(Judge, NamesARankThatDoesNotGetOn) {
  RankStates states(4, in_step(41, {1}));
  states[1] = in_step(40);
  states[1].beat.still_s = 31;

  const auto verdict = judge(states, hosts, 10);

  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->culprits, std::vector<int>{1});
  EXPECT_NE(verdict->text.find("rank 1 (h1) waits for nobody and has made no progress for 31 s in "
                               "'step 40'"),
            std::string::npos)
      << verdict->text;
}

TEST(Judge, LeavesARankAloneThatHasLeftOrMayTakeItsTime) {
  RankStates states(4, in_step(3));
  states[0].beat.leaves = 1;
  states[0].silent_s = 100;
  states[1].beat.section_timeout_s = 0;
  states[1].beat.still_s = 10000;

  EXPECT_FALSE(judge(states, hosts, 10));
}

TEST(FindCulprit, FollowsWhoWaitsForWhom) {
  RankStates states = {in_step(41, {1}), in_step(41, {2, 3}), in_step(41, {3}), in_step(40)};

  EXPECT_EQ(find_culprit(states, hosts, {1}, 5), "rank 3 (h2) waits for nobody, is in 'step 40'");
  states[3].silent_s = 6;
  EXPECT_EQ(find_culprit(states, hosts, {1}, 5),
            "rank 3 (h2) has not been heard of for 6 s, last in 'step 40'");
}

TEST(FindCulprit, NamesRanksThatWaitForEachOther) {
  const RankStates states = {in_step(1, {1}), in_step(1, {0}), in_step(1), in_step(1)};

  EXPECT_EQ(find_culprit(states, hosts, {1}, 5),
            "rank 1 (h1) waits for rank 0 in recv; rank 0 (h1) waits for rank 1 in recv");
  EXPECT_EQ(find_culprit(states, hosts, {9, -1}, 5), "");
}

TEST(Pulse, IsReadAsItWasTold) {
  enter_section("load", 300);
  beat(4);
  const std::uint64_t progress = read_pulse().progress;
  const std::vector<int> many(40, 7);
  note_waiting(many, "a name that is longer than the room for it, by far");
  const Beat waiting = read_pulse();
  done_waiting();

  EXPECT_STREQ(waiting.section.data(), "load");
  EXPECT_EQ(waiting.number, 4u);
  EXPECT_EQ(waiting.section_timeout_s, 300);
  EXPECT_EQ(waiting.waits, 16);
  EXPECT_STREQ(waiting.waits_in.data(), "a name that is longer than the ");
  EXPECT_EQ(waiting.progress, progress);
  EXPECT_EQ(read_pulse().waits, 0);
  EXPECT_GT(read_pulse().progress, progress);
}

}  // namespace
}  // namespace fg::session
