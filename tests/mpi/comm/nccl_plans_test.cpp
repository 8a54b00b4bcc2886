// The messages of pipelines' plans over NCCL: one group for activations and one for gradients, each
// with one queue. The plans put receives so that one queue cannot lock up; this is NCCL's word on
// it.
#include <map>
#include <random>

#include <fg/schedule/build.hpp>
#include <fg/schedule/check.hpp>
#include <fg/schedule/passes.hpp>

#include "nccl_world.hpp"

namespace fg::comm {
namespace {

using schedule::Action;
using schedule::Op;

/// Walks one rank's program. An activation is its microbatch's number × 1000, plus one a stage; a
/// gradient begins as the activation that came out and gets one a stage too.
class Walker {
public:
  Walker(const schedule::Plan& plan, Communicator& activations, Communicator& gradients,
         std::int64_t numbers, unsigned seed)
      : shape_(plan.shape),
        activations_(activations),
        gradients_(gradients),
        numbers_(numbers),
        random_(seed) {}

  void take(const Action& action) {
    const auto [op, stage, microbatch] = action;
    switch (op) {
      case Op::forward:
        work();
        inputs(stage, microbatch).wait(received_);
        outputs_[{stage, microbatch}] = forward_input(stage, microbatch).add(1);
        break;
      case Op::backward_input: {
        work();
        const bool is_last = stage + 1 == shape_.stages;
        gradient_in(stage, microbatch).wait(received_);
        input_gradients_[{stage, microbatch}] =
            (is_last ? outputs_.at({stage, microbatch}) : gradient_input(stage, microbatch)).add(1);
        break;
      }
      case Op::backward_weight:
        work();
        break;
      case Op::send_activation:
        send(activations_, outputs_.at({stage, microbatch}));
        break;
      case Op::recv_activation:
        receive(activations_, {false, stage, microbatch});
        break;
      case Op::send_gradient:
        send(gradients_, input_gradients_.at({stage, microbatch}));
        break;
      case Op::recv_gradient:
        receive(gradients_, {true, stage, microbatch});
        break;
      default:
        break;
    }
  }

  /// What must be wrong: gradients of stage 0's inputs that are not what came through all stages.
  int mistakes() {
    for (Pending& send : sends_) send.wait();
    int count = 0;
    for (const auto& [place, values] : input_gradients_) {
      const auto [stage, microbatch] = place;
      const float wanted = 1000.0F * static_cast<float>(microbatch) +
                           static_cast<float>(shape_.stages + shape_.stages - stage);
      if (values.min().item<float>() != wanted || values.max().item<float>() != wanted) ++count;
    }
    return count;
  }
  std::size_t gradients() const { return input_gradients_.size(); }

private:
  using Place = std::pair<int, int>;
  struct Key {
    bool is_gradient;
    int stage;
    int microbatch;
    auto operator<=>(const Key&) const = default;
  };
  struct Received {
    at::Tensor values;
    Pending pending;
  };
  /// Nothing where the neighbour is on the same rank.
  struct Awaited {
    std::optional<Key> key;
    void wait(std::map<Key, Received>& received) const {
      if (key) received.at(*key).pending.wait();
    }
  };

  Awaited inputs(int stage, int microbatch) const {
    if (stage == 0 || !shape_.crosses(stage, stage - 1)) return {};
    return {Key{false, stage, microbatch}};
  }
  Awaited gradient_in(int stage, int microbatch) const {
    if (stage + 1 == shape_.stages || !shape_.crosses(stage, stage + 1)) return {};
    return {Key{true, stage, microbatch}};
  }
  at::Tensor forward_input(int stage, int microbatch) {
    if (stage == 0) return at::full({numbers_}, 1000.0 * microbatch, on_gpu(at::kFloat));
    if (!shape_.crosses(stage, stage - 1)) return outputs_.at({stage - 1, microbatch});
    return received_.at({false, stage, microbatch}).values;
  }
  at::Tensor gradient_input(int stage, int microbatch) {
    if (!shape_.crosses(stage, stage + 1)) return input_gradients_.at({stage + 1, microbatch});
    return received_.at({true, stage, microbatch}).values;
  }
  int other_rank() const { return 1 - test::mpi_session().rank(); }
  void send(Communicator& group, const at::Tensor& values) {
    sends_.push_back(group.isend(values, other_rank()));
  }
  void receive(Communicator& group, const Key& key) {
    const at::Tensor values = at::full({numbers_}, -1, on_gpu(at::kFloat));
    received_[key] = {values, group.irecv(values, other_rank())};
  }
  /// Each rank at its own, uneven pace.
  void work() { spin(static_cast<double>(random_() % 1000) / 1000); }

  const schedule::Shape& shape_;
  Communicator& activations_;
  Communicator& gradients_;
  std::int64_t numbers_;
  std::mt19937 random_;
  std::map<Place, at::Tensor> outputs_;
  std::map<Place, at::Tensor> input_gradients_;
  std::map<Key, Received> received_;
  std::vector<Pending> sends_;
};

TEST_F(NcclOnGpu, WalksEveryPlanWithoutLockingUp) {
  if (is_alone()) GTEST_SKIP() << "[ranks] one rank";
  using schedule::Kind;
  for (const Kind kind : {Kind::gpipe, Kind::one_forward_one_backward, Kind::interleaved,
                          Kind::zero_bubble_h1, Kind::zero_bubble_v})
    for (const int microbatches : {4, 16})
      for (const auto& [is_near, numbers] :  // 16 MiB: a boundary of a 7B model
           {std::pair<bool, std::int64_t>(false, 1000),
            {false, 4 << 20},
            {true, 1000},
            {true, 4 << 20},
            {true, 12 << 20}}) {
        schedule::Request request;
        request.kind = kind;
        request.ranks = 2;
        request.microbatches = microbatches;
        const schedule::Plan plan = with_transfers(schedule::build(request));
        ASSERT_FALSE(schedule::find_deadlock(plan, 0));
        const schedule::Program& program = plan.programs[static_cast<std::size_t>(all->rank())];
        const Stopwatch stopwatch;
        const auto waits = device::host_waits();
        double queued = 0;
        std::size_t gradients = 0;
        for (unsigned step = 0; step < 2; ++step) {
          Walker walker(plan, is_near ? *near_there : *there, is_near ? *near_back : *back, numbers,
                        97 * step + 13 * all->rank() + 1u);
          for (const Action& action : program) walker.take(action);
          queued = stopwatch.milliseconds();
          EXPECT_EQ(device::host_waits(), waits);
          EXPECT_EQ(walker.mistakes(), 0) << plan.name;
          gradients = walker.gradients();
        }
        if (is_first())
          std::printf(
              "%-16s %2d microbatches of %5.2f MiB%s: %6.1f ms, queued after %6.1f ms, %zu\n",
              plan.name.c_str(), microbatches, static_cast<double>(4 * numbers) / (1 << 20),
              is_near ? ", near" : "", stopwatch.milliseconds(), queued, gradients);
      }
}

}  // namespace
}  // namespace fg::comm
