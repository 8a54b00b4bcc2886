#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <fg/data/epoch_plan.hpp>
#include <fg/data/row.hpp>
#include <fg/model/model.hpp>

namespace fg::engine {

/// Rows as the model takes them: all documents of all rows, one behind the other.
model::Batch make_batch(model::Model& model, const std::vector<data::Row>& rows);

/// The losses of a set of documents, each token weighted alike.
struct Evaluation {
  double loss_sum = 0;
  std::int64_t tokens = 0;  // that were predicted

  double loss() const;
  double perplexity() const;
};

/// Runs rows of an epoch, `rows_at_once` at a time: all, or the first `most_rows`. `after_batch` is
/// called after each with the number of rows done.
Evaluation evaluate(model::Model& model, const data::TokenSet& set, const data::EpochPlan& plan,
                    std::int64_t rows_at_once, std::optional<std::uint64_t> most_rows,
                    const std::function<void(std::uint64_t)>& after_batch);

}  // namespace fg::engine
