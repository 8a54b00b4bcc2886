#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <fg/engine/arrangement.hpp>
#include <fg/engine/step_runner.hpp>

namespace fg::engine {

/// A rank that has some layers of the model: it walks its program of the plan (docs/schedules.md),
/// which says when a microbatch goes through which of its parts and when a tensor is sent.
class Pipeline final : public StepRunner {
public:
  /// All must outlive this. Collective over `ranks`, all of the job. Gradients are kept.
  Pipeline(model::Model& model, Updater& updater, const Arrangement& arrangement,
           comm::Communicator& ranks);
  ~Pipeline() override;

  at::Tensor run(const StepTask& task, device::Laps& own) override;
  at::Tensor losses_of(const Microbatches& batches) override;

private:
  struct Walk;
  /// The group of a way. Both ranks use it in the order of their programs, which is the same.
  using Channel = std::unique_ptr<comm::Communicator>;

  void connect(comm::Communicator& ranks);
  comm::Traffic traffic_between(int from, int to) const;
  const schedule::Plan& plan_of(std::size_t microbatches);
  void follow(const schedule::Program& program, Walk& walk);
  void do_action(const schedule::Program& program, std::size_t place, Walk& walk);
  void forward(const schedule::Action& action, Walk& walk);
  void backward(const schedule::Program& program, std::size_t place, Walk& walk);
  void send(const schedule::Action& action, Walk& walk);
  void receive(const schedule::Action& action, Walk& walk);
  void exchange_tied();
  void update(const schedule::Action& action, const Walk& walk);
  comm::Communicator& channel(const Way& way) { return *channels_.at(way); }

  model::Model& model_;
  Updater& updater_;
  const Arrangement& arrangement_;
  comm::Communicator& ranks_;
  std::map<Way, Channel> channels_;
  Channel tied_ends_;
  std::map<std::size_t, schedule::Plan> plans_;            // by the step's microbatches
  std::vector<std::vector<std::size_t>> tensors_of_part_;  // logical, the tied one apart
  std::optional<std::size_t> tied_tensor_;
};

}  // namespace fg::engine
