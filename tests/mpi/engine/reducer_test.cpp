#include "reducer.hpp"

#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <fg/engine/arrangement.hpp>
#include <fg/model/model.hpp>
#include <fg/params/initialise.hpp>
#include <fg/test/mpi_session.hpp>
#include <fg/test/tiny_config.hpp>

namespace fg::engine {
namespace {

std::unique_ptr<comm::Communicator> world() {
  comm::Options options;
  options.timeout_s = 20;
  return comm::Communicator::connect(test::mpi_session(), std::move(options));
}

/// Microbatches of different lengths.
model::Batch batch_of(model::Model& model, std::size_t microbatch) {
  std::vector<std::int64_t> ids, targets;
  const std::int64_t length = 6 + static_cast<std::int64_t>(microbatch);
  for (std::int64_t token = 0; token < length; ++token) {
    ids.push_back((token * 7 + length) % 101);
    targets.push_back(token + 1 < length ? (token * 5 + length) % 101 : -1);
  }
  return model.make_batch(ids, {&length, 1}, targets);
}

constexpr double scale = 1.0 / 40;

/// One tiny model, the same on every rank.
struct Replica {
  explicit Replica(arch::Family family = arch::Family::llama)
      : model(test::tiny_config(family), at::kFloat) {
    params::initialise(model.parameters(), 3, 0.2);
  }

  void train(std::size_t microbatch, params::Gradients& gradients) {
    (void)model.train(batch_of(model, microbatch), scale, gradients);
  }

  model::Model model;
};

std::pair<std::size_t, std::size_t> share_of(std::size_t microbatches) {
  Arrangement arrangement;
  arrangement.trainer = TrainerKind::ddp;
  arrangement.rank = test::mpi_session().rank();
  arrangement.ranks = test::mpi_session().size();
  return arrangement.share_of(microbatches);
}

TEST(Reducer, HasTheBitsOfOneProcessAlsoWhereRanksHaveNoMicrobatch) {
  const auto ranks = world();
  Replica replica;
  const params::Layout& layout = replica.model.parameters().layout();
  params::Gradients summed(replica.model.parameters(), at::kFloat);
  params::Gradients alone(replica.model.parameters(), at::kFloat);
  Reducer reducer(summed, layout, *ranks);
  // More and fewer in turn: what a rank without one brings must not be that of the step before.
  const auto all = static_cast<std::size_t>(ranks->size());
  for (const std::size_t microbatches : {all, std::size_t{1}, all, all - all / 2, all}) {
    const auto [first, last] = share_of(microbatches);
    summed.start_step(static_cast<std::int64_t>(last - first));
    reducer.begin(last == first);
    for (std::size_t index = first; index < last; ++index) replica.train(index, summed);
    reducer.finish([](std::size_t) {});
    alone.start_step(static_cast<std::int64_t>(microbatches));
    for (std::size_t index = 0; index < microbatches; ++index) replica.train(index, alone);

    for (std::size_t index = 0; index < layout.logical.size(); ++index)
      EXPECT_TRUE(at::equal(summed.logical(index), alone.logical(index)))
          << layout.logical[index].name << ", " << microbatches << " microbatches";
  }
}

TEST(Reducer, HandsOverEachTensorOnceInOneOrderOnAllRanks) {
  const auto ranks = world();
  Replica replica(arch::Family::qwen3);
  const params::Layout& layout = replica.model.parameters().layout();
  params::Gradients gradients(replica.model.parameters(), at::kFloat);
  Reducer reducer(gradients, layout, *ranks);
  const auto [first, last] = share_of(1);
  gradients.start_step(static_cast<std::int64_t>(last - first));
  reducer.begin(last == first);
  for (std::size_t index = first; index < last; ++index) replica.train(index, gradients);
  std::string order;
  std::vector<bool> seen(layout.logical.size(), false);
  reducer.finish([&](std::size_t logical) {
    EXPECT_FALSE(seen[logical]);
    seen[logical] = true;
    order += std::to_string(logical) + " ";
  });

  EXPECT_EQ(seen, std::vector<bool>(layout.logical.size(), true));
  EXPECT_EQ(order, test::mpi_session().broadcast(order));
}

TEST(Reducer, BeginsSumsWhileTheBackwardPassGoesOn) {
  const auto ranks = world();
  // A head and an embedding that travel alone, the small tensors between them together: three
  // messages. Two parts, as of a pipeline, have a place to look at between them.
  arch::ModelConfig config = test::tiny_config(arch::Family::llama);
  config.vocab_size = 50'000;
  model::Model model(config, at::kFloat, at::kCPU, {{0, 1, true, false}, {1, 2, false, true}});
  params::initialise(model.parameters(), 3, 0.2);
  params::Gradients gradients(model.parameters(), at::kFloat);
  Reducer reducer(gradients, model.parameters().layout(), *ranks);
  const model::Batch batch = batch_of(model, static_cast<std::size_t>(ranks->rank()));
  model::Pass lower, upper;
  upper.part = 1;
  gradients.start_step(1);
  reducer.begin(false);
  (void)model.forward(model.forward({}, batch, lower), batch, upper);
  EXPECT_EQ(reducer.begun(), 0U);

  const at::Tensor between = model.backward({}, batch, scale, upper, gradients);
  EXPECT_EQ(reducer.begun(), 1U) << "the head's, while layers wait for their turn";
  (void)model.backward(between, batch, scale, lower, gradients);
  EXPECT_EQ(reducer.begun(), 3U) << "all, without being asked for";

  reducer.finish([](std::size_t) {});
}

}  // namespace
}  // namespace fg::engine
