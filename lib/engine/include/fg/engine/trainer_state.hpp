#pragma once

#include <cstdint>
#include <optional>

#include <fg/base/json.hpp>
#include <fg/checkpoint/reader.hpp>
#include <fg/engine/flops.hpp>
#include <fg/optim/numerics_guard.hpp>

namespace fg::engine {

/// The place in the data: the next row to train on. Rows count from 0 in each epoch's own order.
struct Cursor {
  std::uint64_t epoch = 0;
  std::uint64_t row = 0;

  friend auto operator<=>(const Cursor&, const Cursor&) = default;
};

/// What has been summed up since the last log line.
struct Interval {
  double loss_sum = 0;  // Σ of the losses of trained tokens
  Work work;
  std::uint64_t steps = 0;

  double mean_loss() const;
};

/// Everything about a run that changes and is neither a weight nor an optimizer's tensor. With
/// those two it is all that a run needs to go on to the bit; wall-clock figures are no part of it.
struct TrainerState {
  std::uint64_t step = 0;  // finished optimizer steps
  Cursor cursor;
  std::uint64_t tokens = 0;          // positions, since the run began
  std::uint64_t trained_tokens = 0;  // those that were predicted
  Interval interval;
  std::optional<double> last_norm;  // lagged clipping's
  optim::NumericsGuard::Memory guard;
  std::optional<double> best_loss;  // the least evaluation loss, and the step it was found at
  std::uint64_t best_step = 0;
  std::uint64_t evaluations_without_gain = 0;
};

/// `state` as the "state" object of a checkpoint's trainer.json. Doubles survive to the bit.
Json to_json(const TrainerState& state);

/// The reverse. Error(cannot_load) naming the key that is missing or wrong.
TrainerState parse_trainer_state(const checkpoint::JsonFields& fields);

}  // namespace fg::engine
