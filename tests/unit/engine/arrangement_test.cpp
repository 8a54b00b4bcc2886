#include <gtest/gtest.h>

#include <fg/engine/arrangement.hpp>
#include <fg/schedule/simulate.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/tiny_config.hpp>

namespace fg::engine {
namespace {

constexpr std::int64_t row_tokens = 64;

arch::ModelConfig config_of(std::int64_t layers) {
  arch::ModelConfig config = test::tiny_config(arch::Family::llama);
  config.layers = layers;
  return config;
}

Arrangement made(const ParallelSettings& settings, int ranks, int rank = 0,
                 std::int64_t layers = 16) {
  return arrange(settings, {.rank = rank, .ranks = ranks, .node_of_rank = {}, .rank_speed = {}},
                 config_of(layers), row_tokens, true);
}

ParallelSettings pipeline_of(schedule::Kind kind) {
  ParallelSettings settings;
  settings.trainer = TrainerKind::pipeline;
  settings.schedule = kind;
  return settings;
}

ParallelSettings replicas() {
  ParallelSettings settings;
  settings.trainer = TrainerKind::ddp;
  return settings;
}

TEST(Arrangement, SaysWhereRanksOfOneMachineAreNotNeighbours) {
  const auto note = [](const ParallelSettings& settings, std::vector<int> nodes) {
    const World world{.rank = 0, .ranks = 4, .node_of_rank = std::move(nodes), .rank_speed = {}};
    return arrange(settings, world, config_of(16), row_tokens, true).node_order_note();
  };
  const ParallelSettings pipeline = pipeline_of(schedule::Kind::one_forward_one_backward);
  EXPECT_NE(
      note(pipeline, {0, 1, 0, 1}).find("3 of 3 neighbours talk over the network, 1 would do"),
      std::string::npos);
  EXPECT_NE(note(pipeline, {0, 1, 1, 0}).find("2 of 3"), std::string::npos);
  for (const std::vector<int>& nodes : {std::vector{0, 0, 1, 1}, {1, 1, 0, 0}, {0, 1, 2, 3}, {}})
    EXPECT_EQ(note(pipeline, nodes), "");
  EXPECT_EQ(note(replicas(), {0, 1, 0, 1}), "");
}

constexpr schedule::Kind all_kinds[] = {
    schedule::Kind::gpipe, schedule::Kind::one_forward_one_backward, schedule::Kind::interleaved,
    schedule::Kind::zero_bubble_h1, schedule::Kind::zero_bubble_v};

TEST(Arrangement, SharesAStepsMicrobatchesInTurnWithoutGapOrRepeat) {
  for (int ranks = 1; ranks <= 5; ++ranks)
    for (std::size_t microbatches = 0; microbatches <= 12; ++microbatches) {
      std::size_t next = 0;
      std::size_t least = microbatches, most = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const auto [first, last] = made(replicas(), ranks, rank).share_of(microbatches);
        EXPECT_EQ(first, next);
        next = last;
        least = std::min(least, last - first);
        most = std::max(most, last - first);
      }
      EXPECT_EQ(next, microbatches);
      EXPECT_LE(most - least, 1u);
    }
}

TEST(Arrangement, GivesEveryRankOfAPipelineAllMicrobatches) {
  for (int rank = 0; rank < 4; ++rank)
    EXPECT_EQ(made(pipeline_of(schedule::Kind::zero_bubble_v), 4, rank).share_of(7),
              (std::pair<std::size_t, std::size_t>(0, 7)));
}

TEST(Arrangement, GivesEachLayerToOnePartAndTheEndsToOneEach) {
  for (const schedule::Kind kind : all_kinds)
    for (int ranks = 2; ranks <= 8; ++ranks) {
      const Arrangement all = made(pipeline_of(kind), ranks);
      std::vector<int> owners(16, 0);
      int embeddings = 0, heads = 0;
      for (int rank = 0; rank < ranks; ++rank)
        for (const params::Part& part : all.parts_of(rank)) {
          EXPECT_LT(part.first_layer, part.last_layer);
          for (std::int64_t layer = part.first_layer; layer < part.last_layer; ++layer)
            ++owners[static_cast<std::size_t>(layer)];
          embeddings += part.has_embedding ? 1 : 0;
          heads += part.has_head ? 1 : 0;
        }
      EXPECT_EQ(owners, std::vector<int>(16, 1));
      EXPECT_EQ(embeddings, 1);
      EXPECT_EQ(heads, 1);
    }
}

TEST(Arrangement, CountsAsManyActivationsAsTheSimulatorSees) {
  for (const schedule::Kind kind : all_kinds)
    for (const int ranks : {2, 3, 4})
      for (const int microbatches : {1, 2, 5, 8}) {
        const Arrangement all = made(pipeline_of(kind), ranks);
        const schedule::Plan plan = all.plan(microbatches, schedule::UpdateTime::at_end);
        const schedule::Forecast seen =
            schedule::simulate(plan, schedule::even_costs(plan.shape, {}), {});
        for (int rank = 0; rank < ranks; ++rank) {
          const Held held = all.held_by(rank, microbatches);
          EXPECT_EQ(held.activations, seen.peak_live[static_cast<std::size_t>(rank)]);
          EXPECT_LE(held.halves, held.activations);
        }
      }
}

TEST(Arrangement, HoldsNoHalvesWhereBackwardPassesAreWhole) {
  EXPECT_EQ(made(pipeline_of(schedule::Kind::gpipe), 4).held_by(1, 8).halves, 0);
  EXPECT_GT(made(pipeline_of(schedule::Kind::zero_bubble_h1), 4).held_by(3, 8).halves, 0);
  // On two ranks every weight half of a V follows its other half, but behind a gradient that
  // leaves.
  EXPECT_GT(made(pipeline_of(schedule::Kind::zero_bubble_v), 2).held_by(0, 8).halves, 0);
  EXPECT_EQ(made(replicas(), 4).held_by(1, 8).activations, 1);
}

TEST(Arrangement, TakesAGivenSplitAndKnowsWhereTiedEndsMeet) {
  ParallelSettings settings = pipeline_of(schedule::Kind::one_forward_one_backward);
  settings.split = {3, 13};
  const Arrangement given = made(settings, 2, 1);
  EXPECT_EQ(given.parts_of(1),
            (std::vector<params::Part>{
                {.first_layer = 3, .last_layer = 16, .has_embedding = false, .has_head = true}}));
  arch::ModelConfig tied = config_of(16);
  tied.tied = true;
  const World world{.rank = 0, .ranks = 2, .node_of_rank = {}, .rank_speed = {}};
  EXPECT_TRUE(arrange(settings, world, tied, row_tokens, true).tied_ends_cross());
  EXPECT_FALSE(arrange(pipeline_of(schedule::Kind::zero_bubble_v), world, tied, row_tokens, true)
                   .tied_ends_cross());
  EXPECT_FALSE(given.tied_ends_cross());
}

TEST(Arrangement, AddsWarmupOnWiresAloneAndASimulatedOneIsAWire) {
  ParallelSettings settings = pipeline_of(schedule::Kind::one_forward_one_backward);
  settings.extra_warmup = 2;
  const auto extra = [&](std::vector<int> nodes, bool is_simulated) {
    const World world{.rank = 0,
                      .ranks = 4,
                      .node_of_rank = std::move(nodes),
                      .has_simulated_wire = is_simulated,
                      .rank_speed = {}};
    return arrange(settings, world, config_of(16), row_tokens, true).extra_warmup;
  };
  EXPECT_EQ(extra({0, 0, 1, 1}, false), (std::vector<int>{0, 2, 0}));
  EXPECT_EQ(extra({0, 0, 0, 0}, true), (std::vector<int>{2, 2, 2}));
  EXPECT_EQ(extra({}, true), (std::vector<int>{2, 2, 2}));
}

TEST(Arrangement, CountsTheGroupsOfEachRankByTheirUse) {
  const auto links = [](schedule::Kind kind, std::vector<int> nodes, bool is_tied = false) {
    arch::ModelConfig config = config_of(16);
    config.tied = is_tied;
    const World world{.rank = 0, .ranks = 3, .node_of_rank = std::move(nodes), .rank_speed = {}};
    const Arrangement all = arrange(pipeline_of(kind), world, config, row_tokens, true);
    return std::vector<Links>{all.links_of(0), all.links_of(1), all.links_of(2)};
  };
  using schedule::Kind;
  const Links end{.numbers = 1, .near_ways = 2}, middle{.numbers = 1, .near_ways = 4};
  EXPECT_EQ(links(Kind::one_forward_one_backward, {0, 0, 0}), (std::vector{end, middle, end}));
  // Its ranks send both kinds both ways.
  const Links of_v{.numbers = 1, .near_ways = 4}, middle_of_v{.numbers = 1, .near_ways = 8};
  EXPECT_EQ(links(Kind::zero_bubble_v, {0, 0, 0}), (std::vector{of_v, middle_of_v, of_v}));
  EXPECT_EQ(links(Kind::interleaved, {0, 0, 0}), (std::vector{middle, middle, middle}));
  EXPECT_EQ(links(Kind::gpipe, {0, 0, 1}),
            (std::vector{end, Links{.numbers = 1, .near_ways = 2, .far_ways = 2},
                         Links{.numbers = 1, .far_ways = 2}}));
  const Links tied{.sums = 1, .numbers = 1, .near_ways = 2};
  EXPECT_EQ(links(Kind::gpipe, {0, 0, 0}, true), (std::vector{tied, middle, tied}));
  EXPECT_EQ(made(replicas(), 4).links_of(2), Links{.background = 1});
  EXPECT_EQ(made({}, 1).links_of(0), Links{});
}

TEST(Arrangement, ChoosesByRanksAndMemoryWhereNothingIsSaid) {
  const auto kind = [](ParallelSettings settings, int ranks, bool fits) {
    return arrange(settings, {.rank = 0, .ranks = ranks, .node_of_rank = {}, .rank_speed = {}},
                   config_of(16), row_tokens, fits)
        .trainer;
  };
  ParallelSettings two_deep, two_wide;
  two_deep.pipeline = 2;
  two_wide.data = 2;
  EXPECT_EQ(kind({}, 1, false), TrainerKind::basic);
  EXPECT_EQ(kind({}, 2, true), TrainerKind::ddp);
  EXPECT_EQ(kind({}, 2, false), TrainerKind::pipeline);
  EXPECT_EQ(kind(two_deep, 2, true), TrainerKind::pipeline);
  EXPECT_EQ(kind(two_wide, 2, false), TrainerKind::ddp);
}

TEST(Arrangement, RefusesRanksThatDoNotFitWithBothNumbers) {
  const auto refuse = [](std::initializer_list<std::string> parts, ParallelSettings settings,
                         int ranks, std::int64_t layers = 16) {
    test::expect_error(ExitCode::usage, parts, [&] { (void)made(settings, ranks, 0, layers); });
  };
  ParallelSettings settings;
  settings.trainer = TrainerKind::basic;
  refuse({"1 rank", "2 ranks"}, settings, 2);
  settings = pipeline_of(schedule::Kind::zero_bubble_v);
  settings.pipeline = 3;
  refuse({"3 ranks", "4 ranks"}, settings, 4);
  settings = replicas();
  settings.data = 3;
  refuse({"3 replicas", "2 ranks"}, settings, 2);
  settings.data = 1;
  settings.pipeline = 2;
  refuse({"2", "ddp"}, settings, 2);
  refuse({"3", "4"}, pipeline_of(schedule::Kind::gpipe), 4, 3);
  settings = pipeline_of(schedule::Kind::gpipe);
  settings.split = {8, 4, 4};
  refuse({"3", "2"}, settings, 2);
  settings.split = {8, 9};
  refuse({"17", "16"}, settings, 2);
}

}  // namespace
}  // namespace fg::engine
