#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include <fg/engine/bench.hpp>

namespace fg::engine {

/// Draws the microbatches of a bench: fresh tokens and cuts each time, a function of the seed.
class BenchTokens {
public:
  explicit BenchTokens(const BenchTask& task) : task_(task), random_(task.seed) {}

  struct Rows {
    std::vector<std::int64_t> ids;
    std::vector<std::int64_t> lengths;  // of the documents
    std::vector<std::int64_t> targets;
  };
  Rows next();
  std::vector<std::int64_t> draw_lengths();

private:
  const BenchTask& task_;
  std::mt19937_64 random_;
};

}  // namespace fg::engine
