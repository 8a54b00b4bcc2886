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

/// One tiny model, the same on every rank, and microbatches of different lengths.
struct Replica {
  explicit Replica(arch::Family family = arch::Family::llama)
      : model(test::tiny_config(family), at::kFloat) {
    params::initialise(model.parameters(), 3, 0.2);
  }

  void train(std::size_t microbatch, params::Gradients& gradients) {
    std::vector<std::int64_t> ids, targets;
    const std::int64_t length = 6 + static_cast<std::int64_t>(microbatch);
    for (std::int64_t token = 0; token < length; ++token) {
      ids.push_back((token * 7 + length) % 101);
      targets.push_back(token + 1 < length ? (token * 5 + length) % 101 : -1);
    }
    const model::Batch batch = model.make_batch(ids, {&length, 1}, targets);
    (void)model.train(batch, 1.0 / 40, gradients);
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

}  // namespace
}  // namespace fg::engine
