#include <chrono>

#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>

#include "world.hpp"

namespace fg::comm {
namespace {

using test::expect_error;

void meet() {
  test::mpi_session().agree(ExitCode::done);
}

Options impatient(double seconds) {
  Options options = small_pieces();
  options.timeout_s = seconds;
  return options;
}

bool is_last(const Communicator& all) {
  return all.rank() + 1 == all.size();
}

TEST(Refusals, NameTheTensorThatCannotTravel) {
  const auto all = world();
  const at::Tensor values = at::zeros({4, 3}, at::kFloat);
  for (const auto& [wrong, part] :
       {std::pair(values.t(), "not contiguous"), std::pair(at::Tensor(), "not defined"),
        std::pair(at::zeros({1, 1, 1, 1, 1, 1, 1, 1, 1}), "more than 8 dimensions")}) {
    expect_error(ExitCode::bug, {"broadcast", part}, [&] { all->broadcast(wrong, 0); });
    expect_error(ExitCode::bug, {"send", part}, [&] { all->send(wrong, 0); });
    expect_error(ExitCode::bug, {"recv", part}, [&] { all->recv(wrong, 0); });
  }
  for (const int peer : {-1, all->size()})
    expect_error(ExitCode::bug, "check failed", [&] { all->send(values, peer); });
  for (const int tag : {-1, 32766})
    expect_error(ExitCode::bug, "check failed", [&] { all->send(values, 0, tag); });
  expect_error(ExitCode::bug, "check failed", [&] { all->broadcast(values, all->size()); });
  expect_error(ExitCode::bug, "check failed", [&] { all->all_gather(values, {}); });
}

/// The last rank never answers. The others say so within the time-out, and a moment.
TEST(Hangs, AreFoundInTimeAndNamed) {
  const auto all = world(impatient(0.3));
  const at::Tensor values = at::zeros({2, 3}, at::kBFloat16);
  const std::string culprit = "for rank " + std::to_string(all->size() - 1);
  const auto begin = std::chrono::steady_clock::now();
  if (all->size() == 1)  // nobody else: what was never sent
    expect_error(ExitCode::hang, {"recv of bfloat16 [2, 3] (12 bytes), tag 5", culprit},
                 [&] { all->recv(values, 0, 5); });
  else if (!is_last(*all))
    expect_error(ExitCode::hang, {"recv of bfloat16 [2, 3] (12 bytes), tag 5", culprit},
                 [&] { all->recv(values, all->size() - 1, 5); });
  const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(waited.count(), 5);
  meet();
}

TEST(Hangs, OfCollectivesNameWhoIsMissing) {
  if (test::mpi_session().size() == 1) GTEST_SKIP() << "[ranks] one rank";
  const std::string culprit = "for rank " + std::to_string(test::mpi_session().size() - 1);
  for (const bool is_sum : {false, true}) {
    const auto all = world(impatient(0.3));
    if (!is_last(*all))
      expect_error(ExitCode::hang,
                   {is_sum ? "all_reduce_sum of float32 [5] (20 bytes)" : "barrier", culprit,
                    "comm.timeout_s"},
                   [&] {
                     if (is_sum)
                       all->all_reduce_sum(at::zeros({5}, at::kFloat));
                     else
                       all->barrier();
                   });
    meet();
  }
}

TEST(Hangs, OfGroupsAreFoundToo) {
  if (test::mpi_session().size() == 1) GTEST_SKIP() << "[ranks] one rank";
  const auto all = world(impatient(0.3));
  if (!is_last(*all))
    expect_error(ExitCode::hang, "group", [&] { all->group(all->world_ranks()); });
  meet();
}

TEST(Hangs, ComeWithTheTimeOutThatWasSetLast) {
  const auto all = world(impatient(20));
  all->set_timeout(1e-9);
  const at::Tensor values = at::zeros({2}, at::kFloat);
  if (all->rank() == 0) expect_error(ExitCode::hang, "recv", [&] { all->recv(values, 0); });
  meet();
}

TEST(Waits, CanBeInterrupted) {
  Options options = small_pieces();
  options.while_waiting = [] { fail(ExitCode::interrupted, "stop, please"); };
  const auto all = world(options);
  const at::Tensor values = at::zeros({2}, at::kFloat);
  expect_error(ExitCode::interrupted, "stop, please",
               [&] { all->recv(values, (all->rank() + 1) % all->size(), 2); });
  meet();
}

TEST(Disagreements, OfMessagesNameBothTensors) {
  for (const auto& [sent, expected, text] :
       {std::tuple(at::zeros({2, 3}, at::kFloat), at::zeros({3, 2}, at::kFloat), "float32 [2, 3]"),
        std::tuple(at::zeros({50}, at::kBFloat16), at::zeros({50}, at::kHalf), "bfloat16 [50]"),
        std::tuple(at::zeros({900}, at::kInt), at::zeros({0}, at::kInt), "int32 [900]"),
        std::tuple(at::zeros({0}, at::kInt), at::zeros({900}, at::kInt), "int32 [0]")}) {
    const auto all = world();
    Pending send = all->isend(sent, all->rank() == 0 ? all->size() - 1 : 0, 1);
    if (all->rank() == 0)
      expect_error(ExitCode::ranks_disagree, {"rank " + std::to_string(all->size() - 1), text},
                   [&] { all->recv(expected, all->size() - 1, 1); });
    meet();
  }
}

TEST(Disagreements, OfCollectivesNameBothOperations) {
  if (test::mpi_session().size() == 1) GTEST_SKIP() << "[ranks] one rank";
  const auto both = [](const std::string& mine, const std::string& theirs, auto&& last,
                       auto&& others) {
    const auto all = world();
    if (is_last(*all))
      expect_error(ExitCode::ranks_disagree, {mine, theirs}, [&] { last(*all); });
    else if (all->rank() == 0)
      expect_error(ExitCode::ranks_disagree, {mine, theirs}, [&] { others(*all); });
    else
      try {  // it may be the first or the last that it meets
        others(*all);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::ranks_disagree);
      }
    meet();
  };
  both(
      "all_reduce_sum number 0 of float32 [2, 3]", "all_reduce_sum number 0 of float32 [3, 2]",
      [](Communicator& all) {
        all.all_reduce_sum(at::zeros({2, 3}, at::kFloat));
      },
      [](Communicator& all) {
        all.all_reduce_sum(at::zeros({3, 2}, at::kFloat));
      });
  both(
      "barrier number 0", "all_reduce_sum number 0 of int64 [1]",
      [](Communicator& all) { all.barrier(); },
      [](Communicator& all) { all.all_reduce_sum(at::zeros({1}, at::kLong)); });
}

}  // namespace
}  // namespace fg::comm
