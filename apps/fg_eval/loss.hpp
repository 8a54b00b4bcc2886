#pragma once

#include <cstdint>

#include <fg/model/model.hpp>
#include <fg/session/session.hpp>

#include "options.hpp"

namespace fg::eval {

struct Loss {
  double loss = 0;
  double perplexity = 0;
  std::int64_t tokens = 0;      // that were predicted
  std::uint64_t documents = 0;  // in the data
  std::uint64_t rows = 0;       // that were run: packed documents
  double seconds = 0;
};

/// Collective. The model's loss on options.data, the same on every rank. Rank r of N runs the
/// batches r, r + N, …; their sums are added in the order of the batches, so that the result has
/// the same bits on any number of ranks. The ranks of a machine tokenise once (data::prepare). An
/// error of one rank while batches run ends the job (app::run). Error(usage) where --seq-len is
/// more than the model's positions, Error(data) for the data, Error(numerics) where the loss is not
/// a number.
Loss measure_loss(session::Session& session, model::Model& model, const Options& options);

}  // namespace fg::eval
