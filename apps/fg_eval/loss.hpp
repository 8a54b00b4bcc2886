#pragma once

#include <cstdint>

#include <fg/model/model.hpp>

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

/// The model's loss on options.data. Error(usage) where --seq-len is more than the model's
/// positions, Error(data) for the data, Error(numerics) where the loss is not a number.
Loss measure_loss(model::Model& model, const Options& options);

}  // namespace fg::eval
