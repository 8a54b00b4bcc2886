#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include <fg/base/json.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "world.hpp"

namespace fg::comm {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// What a rank brings to sum number `turn`: thirds, whose sums are rounded.
at::Tensor brought(at::ScalarType type, std::int64_t count, int rank, int turn) {
  return counting(at::kDouble, {count}, 1.0 + rank * 7 + turn * 100).div_(3).to(type);
}

TEST(BegunSums, HaveTheBitsOfThoseThatAreWaitedFor) {
  const auto all = world();
  const auto other = all->group(all->world_ranks());
  int turn = 0;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kDouble, at::kLong, at::kInt})
    for (const std::int64_t count : {0, 1, 3, 997}) {  // a piece is 48 bytes here
      const at::Tensor wanted = brought(type, count, all->rank(), ++turn);
      const at::Tensor values = wanted.clone();
      Pending sum = other->begin_all_reduce_sum(values);
      all->all_reduce_sum(wanted);
      sum.wait();
      EXPECT_TRUE(same(values, wanted)) << type << " " << count;
    }
}

TEST(BegunSums, AreCarriedOutInTheirOrder) {
  const auto all = world(Options{});
  const auto other = all->group(all->world_ranks());
  constexpr int count = 12;
  std::vector<at::Tensor> values;
  std::vector<Pending> sums;
  for (int turn = 0; turn < count; ++turn) {
    // The first one is long enough for the others to queue up; all others look alike.
    values.push_back(brought(at::kFloat, turn == 0 ? 700'001 : 501, all->rank(), turn));
    sums.push_back(all->begin_all_reduce_sum(values.back()));
  }
  for (int turn = count; turn-- > 0;) sums[static_cast<std::size_t>(turn)].wait();
  for (int turn = 0; turn < count; ++turn) {
    const at::Tensor& got = values[static_cast<std::size_t>(turn)];
    const at::Tensor wanted = brought(at::kFloat, got.numel(), all->rank(), turn);
    other->all_reduce_sum(wanted);
    EXPECT_TRUE(same(got, wanted)) << turn;
  }
}

TEST(BegunSums, AreThereOnceTheySaySo) {
  const auto all = world(Options{});
  const at::Tensor values = at::full({2'000'003}, all->rank() + 1.0, at::kFloat);
  if (all->rank() + 1 == all->size()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  Pending sum = all->begin_all_reduce_sum(values);
  while (!sum.is_done()) std::this_thread::yield();
  const int ranks = all->size();
  EXPECT_TRUE(same(values, at::full({2'000'003}, ranks * (ranks + 1) / 2.0, at::kFloat)));
}

TEST(BegunSums, LeaveOtherCommunicatorsFree) {
  const auto all = world();
  const auto other = all->group(all->world_ranks());
  const at::Tensor values = at::full({5003}, 1.0, at::kFloat);
  Pending sum = all->begin_all_reduce_sum(values);
  const at::Tensor got = at::zeros({40}, at::kInt);
  for (int turn = 0; turn < 20; ++turn) {
    Pending sent =
        other->isend(counting(at::kInt, {40}, turn), (other->rank() + 1) % other->size(), 3);
    other->recv(got, (other->rank() + other->size() - 1) % other->size(), 3);
    sent.wait();
    EXPECT_TRUE(same(got, counting(at::kInt, {40}, turn)));
  }
  sum.wait();
  EXPECT_EQ(values[5002].item<float>(), static_cast<float>(all->size()));
  all->barrier();  // nothing is under way any more
}

TEST(BegunSums, HaveTheirCommunicatorForThemselves) {
  if (test::mpi_session().size() == 1) GTEST_SKIP() << "[ranks] one rank";
  const auto all = world();
  const at::Tensor values = at::full({64}, 1.0, at::kFloat);
  // The last rank comes late, so the others' is under way for certain.
  if (all->rank() + 1 < all->size()) {
    Pending sum = all->begin_all_reduce_sum(values);
    test::expect_error(ExitCode::bug, {"barrier", "begin_all_reduce_sum"}, [&] { all->barrier(); });
    test::expect_error(ExitCode::bug, "send of float32 [64]",
                       [&] { auto sent = all->isend(values, 0); });
    test::mpi_session().agree(ExitCode::done);
    sum.wait();
  } else {
    test::mpi_session().agree(ExitCode::done);
    all->begin_all_reduce_sum(values).wait();
  }
  EXPECT_EQ(values[63].item<float>(), static_cast<float>(all->size()));
}

TEST(BegunSums, TellWhatWentWrong) {
  if (test::mpi_session().size() == 1) GTEST_SKIP() << "[ranks] one rank";
  Options options = small_pieces();
  options.timeout_s = 0.3;
  for (const bool asks : {false, true}) {
    const auto all = world(options);
    const at::Tensor values = at::zeros({5}, at::kFloat);
    if (all->rank() + 1 < all->size()) {
      Pending first = all->begin_all_reduce_sum(values);
      Pending second = all->begin_all_reduce_sum(values.clone());
      test::expect_error(
          ExitCode::hang,
          {"all_reduce_sum of float32 [5]", "for rank " + std::to_string(all->size() - 1)}, [&] {
            if (!asks) first.wait();
            while (!first.is_done()) std::this_thread::yield();
          });
      test::expect_error(ExitCode::bug, "after another that failed", [&] { second.wait(); });
    }
    test::mpi_session().agree(ExitCode::done);
  }
}

/// The peer keeps its communicator until the messages are there: MPI would take them for those of
/// the next communicator of that number.
TEST(BegunSums, AreGivenUpWithTheirCommunicator) {
  if (test::mpi_session().size() == 1) GTEST_SKIP() << "[ranks] one rank";
  const auto all = world();
  auto pair = all->rank() < 2 ? all->group({0, 1}) : nullptr;
  if (all->rank() == 0) {
    Pending sum = pair->begin_all_reduce_sum(at::zeros({5}, at::kFloat));  // 20 s for its peer
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const auto begin = Clock::now();
    pair.reset();
    EXPECT_LT(seconds_since(begin), 10);
  }
  all->barrier();
  for (int i = 0; i < 100; ++i) all->poll();
}

TEST(BegunSums, RefuseWhatCannotBeAdded) {
  const auto all = world();
  const auto refused = [&](const at::Tensor& values, const std::string& part) {
    test::expect_error(ExitCode::bug, part, [&] { auto sum = all->begin_all_reduce_sum(values); });
  };
  refused(at::zeros({2}, at::kHalf), "no sums of float16 [2]");
  refused(at::zeros({2, 3}, at::kFloat).t(), "not contiguous");
  all->barrier();
}

TEST(BegunSums, StandInTheHistory) {
  const auto all = world();
  const test::TemporaryFolder folder;
  all->begin_all_reduce_sum(at::zeros({6}, at::kBFloat16)).wait();
  all->write_history(folder / "hang.json");
  const Json report = read_json(folder / "hang.json");
  ASSERT_EQ(report["operations"].size(), 1u);
  EXPECT_EQ(report["operations"][0]["operation"], "all_reduce_sum");
  EXPECT_EQ(report["operations"][0]["tensor"], "bfloat16 [6]");
  EXPECT_TRUE(report["operations"][0]["ended"].is_number());
}

TEST(SimulatedWire, TakesItsTimeForEachMessage) {
  const auto all = world();
  if (all->size() == 1) GTEST_SKIP() << "[ranks] one rank";
  Options options;
  options.simulate_bytes_per_second = 1e6;
  const auto slow = world(options);
  const int next = (slow->rank() + 1) % slow->size();
  const int last = (slow->rank() + slow->size() - 1) % slow->size();
  const auto other = slow->group(slow->world_ranks());  // over the same wire
  const auto begin = Clock::now();                      // before anybody sends
  all->barrier();
  std::vector<Pending> sends;
  std::vector<at::Tensor> got;
  for (int i = 0; i < 4; ++i)
    sends.push_back((i % 2 == 0 ? *slow : *other).isend(counting(at::kInt, {12'500}, i), next));
  for (int i = 0; i < 4; ++i) {  // 50 ms each
    got.push_back(at::zeros({12'500}, at::kInt));
    (i % 2 == 0 ? *slow : *other).recv(got.back(), last);
    EXPECT_GE(seconds_since(begin), 0.05 * (i + 1)) << i;
    EXPECT_TRUE(same(got.back(), counting(at::kInt, {12'500}, i)));
  }
  EXPECT_LT(seconds_since(begin), 1.6);  // of bits it would be as many
  for (Pending& send : sends) send.wait();
  const auto sum = Clock::now();
  slow->all_reduce_sum(at::zeros({5'000'000}, at::kFloat));
  EXPECT_LT(seconds_since(sum), 10);  // would take 20 s on the wire
  all->barrier();
}

TEST(SimulatedWire, IsBusyWhileTheSenderDoesOtherThings) {
  const auto all = world();
  if (all->size() == 1) GTEST_SKIP() << "[ranks] one rank";
  Options options;
  options.simulate_bytes_per_second = 1e6;
  const auto slow = world(options);
  const int next = (slow->rank() + 1) % slow->size();
  const int last = (slow->rank() + slow->size() - 1) % slow->size();
  all->barrier();
  const at::Tensor got = at::zeros({1'000'000}, at::kByte);
  Pending receive = slow->irecv(got, last);
  Pending send = slow->isend(at::full({1'000'000}, 7, at::kByte), next);
  const auto begin = Clock::now();
  while (seconds_since(begin) < 0.05) slow->poll();
  EXPECT_FALSE(send.is_done());
  EXPECT_FALSE(receive.is_done());
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));
  const auto late = Clock::now();
  receive.wait();
  send.wait();
  EXPECT_LT(seconds_since(late), 0.9);  // 0.95 s if the wire stood still meanwhile
  EXPECT_TRUE(same(got, at::full({1'000'000}, 7, at::kByte)));
  all->barrier();
}

TEST(Poll, MovesAMessageThatNobodyWaitsFor) {
  const auto all = world(Options{});
  all->poll();
  if (all->size() == 1) GTEST_SKIP() << "[ranks] one rank";
  const int next = (all->rank() + 1) % all->size();
  const int last = (all->rank() + all->size() - 1) % all->size();
  const at::Tensor got = at::zeros({3'000'000}, at::kFloat);
  Pending receive = all->irecv(got, last);
  Pending send = all->isend(at::full({3'000'000}, 4.0, at::kFloat), next);
  const auto begin = Clock::now();
  // Without a wait or a test of these two.
  while (got[2'999'999].item<float>() == 0 && seconds_since(begin) < 20) {
    all->poll();
    std::this_thread::yield();
  }
  EXPECT_EQ(got[2'999'999].item<float>(), 4.0F);
  receive.wait();
  send.wait();
  EXPECT_TRUE(same(got, at::full({3'000'000}, 4.0, at::kFloat)));
}

}  // namespace
}  // namespace fg::comm
