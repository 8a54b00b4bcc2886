// comm's transport over NCCL, one GPU a rank: what comes before what, and what goes on beside what.
#include <thread>

#include <ATen/ops/matmul.h>
#include <ATen/ops/rand.h>

#include <fg/device/memory.hpp>

#include "nccl_world.hpp"

namespace fg::comm {
namespace {

constexpr std::int64_t large = 64 << 20;  // numbers of 4 bytes

/// Rank 0 fills a tensor behind 50 ms of other work and sends it; the host does not wait for it.
TEST_F(NcclOnGpu, SendsWhatIsThereOnceTheWorkBeforeIsDone) {
  if (is_alone()) GTEST_SKIP() << "[ranks] one rank";
  const at::Tensor values = at::full({large}, 5, on_gpu(at::kFloat)).add_(1);  // loads kernels
  spin(1);
  finish();
  all->barrier();
  const auto waits = device::host_waits();
  const Stopwatch host;
  if (is_first()) {
    spin(50);
    values.fill_(7);
    Pending send = there->isend(values, peer());
    EXPECT_FALSE(send.is_done());
    send.wait();
    values.fill_(9);  // only once it is sent
  } else {
    there->recv(values, peer());
    values.add_(1);  // only once it is there
  }
  EXPECT_LT(host.milliseconds(), 25);
  EXPECT_EQ(device::host_waits(), waits);
  const float wanted = is_first() ? 9 : 8;
  EXPECT_EQ(values.min().item<float>(), wanted);
  EXPECT_EQ(values.max().item<float>(), wanted);
  EXPECT_GT(host.milliseconds(), 35);
}

TEST_F(NcclOnGpu, AddsUpBehindTheWorkBeforeAndAheadOfTheWorkAfter) {
  if (is_alone()) GTEST_SKIP() << "[ranks] one rank";
  const at::Tensor values = at::zeros({large}, on_gpu(at::kFloat));
  finish();
  for (const bool is_begun : {false, true}) {
    spin(is_first() ? 40 : 5);
    values.fill_(3);
    if (is_begun)
      all->begin_all_reduce_sum(values).wait();
    else
      all->all_reduce_sum(values);
    values.mul_(2);
    EXPECT_EQ(values.min().item<float>(), 12);
    EXPECT_EQ(values.max().item<float>(), 12);
  }
}

/// The memory of a message that nobody holds any more must not be given to others too early.
TEST_F(NcclOnGpu, KeepsTheMemoryOfWhatIsDropped) {
  if (is_alone()) GTEST_SKIP() << "[ranks] one rank";
  if (is_first()) {
    for (int i = 0; i < 8; ++i) {
      Pending dropped = there->isend(at::full({large / 4}, i, on_gpu(at::kInt)), peer());
    }
    for (int i = 0; i < 16; ++i) at::full({large / 4}, -1, on_gpu(at::kInt));
  } else {
    spin(30);
    for (int i = 0; i < 8; ++i) {
      const at::Tensor got = at::zeros({large / 4}, on_gpu(at::kInt));
      there->recv(got, peer());
      EXPECT_EQ(got.min().item<int>(), i);
      EXPECT_EQ(got.max().item<int>(), i);
    }
  }
}

/// Milliseconds that matrix products take, with what is under way beside them.
double products(const at::Tensor& a, const at::Tensor& b, int count) {
  const Stopwatch stopwatch;
  at::Tensor last;
  for (int i = 0; i < count; ++i) last = at::matmul(a, b);
  last[0][0].item();  // waits for the current stream alone
  return stopwatch.milliseconds();
}

/// Messages and products together take less than one after the other.
TEST_F(NcclOnGpu, ComputesBesideMessages) {
  if (is_alone()) GTEST_SKIP() << "[ranks] one rank";
  const at::Tensor a = at::rand({8192, 8192}, on_gpu(at::kFloat)).to(at::kBFloat16);
  const at::Tensor b = at::rand({8192, 8192}, on_gpu(at::kFloat)).to(at::kBFloat16);
  const at::Tensor values = at::zeros({large}, on_gpu(at::kFloat));
  constexpr int count = 40, messages = 20;
  products(a, b, 4);
  const double alone = products(a, b, count);
  const auto begin_messages = [&] {
    std::vector<Pending> pending;
    for (int i = 0; i < messages; ++i)
      pending.push_back(is_first() ? there->isend(values, peer()) : there->irecv(values, peer()));
    return pending;
  };
  all->barrier();
  const Stopwatch stopwatch;
  begin_messages();
  finish();
  const double carried = stopwatch.milliseconds();
  all->barrier();
  const Stopwatch both;
  std::vector<Pending> pending = begin_messages();
  products(a, b, count);
  finish();
  const double together = both.milliseconds();
  const double gbytes = messages * static_cast<double>(values.nbytes()) / 1e9;
  std::printf("%d products %.1f ms, %.1f GB %.1f ms (%.0f GB/s), together %.1f ms\n", count, alone,
              gbytes, carried, 1e3 * gbytes / carried, together);
  EXPECT_LT(together, 0.85 * (alone + carried));
  for (Pending& each : pending) each.wait();
}

/// Receives that wait for their messages take some multiprocessors, not the computing's time.
TEST_F(NcclOnGpu, ComputesWhileReceivesWait) {
  if (is_alone()) GTEST_SKIP() << "[ranks] one rank";
  // A square product, and one of a 7B model's with 2048 tokens.
  for (const auto& [rows, inner, columns] :
       {std::tuple(8192, 8192, 8192), std::tuple(2048, 4096, 22016)}) {
    const at::Tensor a = at::rand({rows, inner}, on_gpu(at::kFloat)).to(at::kBFloat16);
    const at::Tensor b = at::rand({inner, columns}, on_gpu(at::kFloat)).to(at::kBFloat16);
    const at::Tensor values = at::zeros({1 << 20}, on_gpu(at::kFloat));
    const int count = static_cast<int>(4e13 / (2.0 * rows * inner * columns));
    products(a, b, count);
    for (const std::vector<Communicator*>& groups :
         {std::vector<Communicator*>{near_there.get(), near_back.get()},
          {there.get()},
          {there.get(), back.get()},
          {all.get()}}) {
      const auto pass = [&] {
        std::vector<Pending> receives;
        for (Communicator* group : groups)
          if (is_first())
            group->send(values, peer());
          else
            receives.push_back(group->irecv(values, peer()));
        return receives;
      };
      pass();  // the first one makes NCCL's connection
      const double alone = products(a, b, count);
      all->barrier();
      std::vector<Pending> receives;
      if (!is_first()) receives = pass();
      const double beside = products(a, b, count);
      if (!is_first()) {
        const bool is_near = groups[0] == near_there.get();
        std::printf("%d products %.1f ms, while %zu of a group for %s wait: +%.1f %%\n", count,
                    alone, groups.size(),
                    is_near                  ? "near messages"
                    : groups[0] == all.get() ? "anything"
                                             : "messages",
                    100 * (beside / alone - 1));
        EXPECT_LT(beside, (is_near ? 1.1 : 1.5) * alone);
      }
      all->barrier();
      if (is_first()) pass();
      for (Pending& each : receives) each.wait();
      finish();
    }
  }
}

/// They begin in the order of issue, whichever is asked first, and before a send that comes later.
TEST_F(NcclOnGpu, ReceivesNearMessagesInTheirOrder) {
  if (is_alone()) GTEST_SKIP() << "[ranks] one rank";
  constexpr int count = 6;
  std::vector<at::Tensor> got;
  std::vector<Pending> pending;
  const at::Tensor answer = at::zeros({1000}, on_gpu(at::kInt));
  for (const bool answers : {false, true}) {
    for (int i = 0; i < count; ++i)
      if (is_first()) {
        pending.push_back(near_there->isend(at::full({1000 + i}, i, on_gpu(at::kInt)), peer()));
      } else {
        got.push_back(at::full({1000 + i}, -1, on_gpu(at::kInt)));
        pending.push_back(near_there->irecv(got.back(), peer()));
      }
    if (answers && is_first()) {
      near_there->recv(answer, peer());
      EXPECT_EQ(answer.min().item<int>(), 77);
    } else if (answers) {
      near_there->send(at::full({1000}, 77, on_gpu(at::kInt)), peer());
    }
    if (!answers && !is_first()) {
      pending[3].wait();  // those before it begin too
      EXPECT_EQ(got[3].max().item<int>(), 3);
      while (!pending[4].is_done()) std::this_thread::yield();
      EXPECT_EQ(got[4].min().item<int>(), 4);
    }
    for (Pending& each : pending) each.wait();
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].min().item<int>(), static_cast<int>(i));
      EXPECT_EQ(got[i].max().item<int>(), static_cast<int>(i));
    }
    pending.clear();
    got.clear();
  }
}

/// How far a sender gets while nobody receives.
TEST_F(NcclOnGpu, TellsWhichMessagesLeaveBeforeTheirReceives) {
  if (is_alone()) GTEST_SKIP() << "[ranks] one rank";
  for (const std::int64_t mib : {1, 2, 4, 8, 16, 32}) {
    const at::Tensor values = at::zeros({mib << 18}, on_gpu(at::kFloat));
    finish();
    all->barrier();
    Pending send;
    if (is_first()) {
      send = near_there->isend(values, peer());
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      std::printf("a message of %lld MiB %s\n", static_cast<long long>(mib),
                  send.is_done() ? "has left" : "waits");
    }
    all->barrier();
    if (!is_first()) near_there->recv(values, peer());
    send.wait();
    finish();
  }
}

TEST_F(NcclOnGpu, TakesTheTimeOfASimulatedWire) {
  if (is_alone()) GTEST_SKIP() << "[ranks] one rank";
  const auto slow = gpu_world(1e9);
  const auto other = slow->group(slow->world_ranks(), Traffic::messages);  // over the same wire
  const at::Tensor values = at::zeros({25'000'000}, on_gpu(at::kByte));
  slow->all_reduce_sum(at::zeros({2}, on_gpu(at::kFloat)));
  for (Communicator* group : {slow.get(), other.get()}) {
    if (is_first())
      group->send(values, peer());
    else
      group->recv(values, peer());
  }
  finish();
  all->barrier();
  const Stopwatch stopwatch;
  for (int i = 0; i < 4; ++i) {
    Communicator& group = i % 2 == 0 ? *slow : *other;
    if (is_first()) {
      Pending send = group.isend(values, peer());
    } else {
      Pending receive = group.irecv(values, peer());
    }
  }
  slow->barrier();
  EXPECT_LT(stopwatch.milliseconds(), 25);  // nothing of it on the host
  finish();
  std::printf("100 MB over a wire of 1 GB/s: %.1f ms\n", stopwatch.milliseconds());
  EXPECT_GT(stopwatch.milliseconds(), 95);
  EXPECT_LT(stopwatch.milliseconds(), 130);
}

TEST_F(NcclOnGpu, TellsItsSpeedAndItsMemory) {
  if (is_alone()) GTEST_SKIP() << "[ranks] one rank";
  const auto mib_in_use = [] {
    finish();
    return static_cast<double>(device::memory_of(own_gpu()).driver_used) / (1 << 20);
  };
  all->barrier();
  const double before = mib_in_use();
  const Stopwatch making;
  const auto any = all->group(all->world_ranks());
  const double made = making.milliseconds();
  const double with_any = mib_in_use();
  all->barrier();
  const auto messages = all->group(all->world_ranks(), Traffic::messages);
  const double with_messages = mib_in_use();
  const auto numbers = all->group(all->world_ranks(), Traffic::numbers);
  std::printf(
      "a group for anything takes %.0f MiB and %.0f ms, one for messages %.0f MiB, "
      "one for numbers %.0f MiB\n",
      with_any - before, made, with_messages - with_any, mib_in_use() - with_messages);
  const auto rate = [&](const char* name, std::int64_t count, auto&& operation) {
    const at::Tensor values = at::zeros({count}, on_gpu(at::kFloat));
    operation(values);
    finish();
    all->barrier();
    const Stopwatch stopwatch;
    for (int i = 0; i < 20; ++i) operation(values);
    const double queued = stopwatch.milliseconds();
    finish();
    const double each = stopwatch.milliseconds() / 20;
    std::printf("%-28s %8.2f MiB %8.3f ms %7.1f GB/s, queued in %.3f ms\n", name,
                static_cast<double>(4 * count) / (1 << 20), each,
                4e-6 * static_cast<double>(count) / each, queued / 20);
  };
  const auto message_by = [&](Communicator& group) {
    return [&group](const at::Tensor& values) {
      if (is_first())
        group.send(values, peer());
      else
        group.recv(values, peer());
    };
  };
  for (const std::int64_t count : {1 << 8, 4 << 20, 64 << 20}) {
    rate("message, group for messages", count, message_by(*messages));
    rate("message, group for anything", count, message_by(*any));
    rate("all_reduce_sum", count, [&](const at::Tensor& values) { any->all_reduce_sum(values); });
  }
}

}  // namespace
}  // namespace fg::comm
