#pragma once

#include <cstdint>
#include <optional>

#include <fg/base/philox.hpp>
#include <fg/optim/optimizer.hpp>

#include "tiles.hpp"

namespace fg::optim {

/// What every update of a piece needs at hand.
struct Work {
  /// Checks shapes of the piece against its parameter (a bug otherwise).
  Work(const Piece& piece, const OptimizerOptions& options, const StepInfo& info);

  /// Tile of the gradient, times the factor.
  void load_gradient(std::int64_t begin, std::int64_t count, float* to) const;
  void load_weights(std::int64_t begin, std::int64_t count, float* to) const;
  void store_weights(std::int64_t begin, std::int64_t count, const float* from) const;

  Extent extent;          // of the piece
  std::int64_t elements;  // of the piece
  std::uint64_t first;    // logical index of its first element
  Matrix values;
  Matrix gradient;
  float factor;
  std::optional<RandomStream> random;  // absent: round to the nearest
};

/// A stream for the moment `name`; absent where the options do not round stochastically.
std::optional<RandomStream> moment_stream(const Piece& piece, const OptimizerOptions& options,
                                          const StepInfo& info, const char* name);

StateSpec step_spec();
/// Updates that this state has seen.
std::int64_t age(State& state);
void set_age(State& state, std::int64_t age);

}  // namespace fg::optim
