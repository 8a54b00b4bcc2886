#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <fg/data/epoch_plan.hpp>
#include <fg/data/row.hpp>
#include <fg/model/model.hpp>

namespace fg::engine {

/// Rows as the model takes them: all documents of all rows, one behind the other.
model::Batch make_batch(model::Model& model, const std::vector<data::Row>& rows);

/// Rows [first, last) of an epoch.
std::vector<data::Row> rows_between(const data::TokenSet& set, const data::EpochPlan& plan,
                                    std::uint64_t first, std::uint64_t last);

/// The losses of a set of documents, each token weighted alike.
struct Evaluation {
  double loss_sum = 0;
  std::int64_t tokens = 0;  // that were predicted

  double loss() const;
  double perplexity() const;
};

/// Every `ranks`-th batch, beginning with number `rank`.
struct BatchShare {
  std::uint64_t rank = 0;
  std::uint64_t ranks = 1;
};

/// The losses of one rank's batches, in their order.
struct BatchLosses {
  std::vector<double> sums;
  std::int64_t tokens = 0;
};

/// Runs rows of an epoch, `rows_at_once` at a time: all, or the first `most_rows`; of these batches
/// the share. `after_batch` is called after each with the number of rows done or passed over.
BatchLosses evaluate(model::Model& model, const data::TokenSet& set, const data::EpochPlan& plan,
                     std::int64_t rows_at_once, std::optional<std::uint64_t> most_rows,
                     BatchShare share, const std::function<void(std::uint64_t)>& after_batch);

/// What rank r of an evaluation found in ranks[r]: added in the order of the batches, so that any
/// number of ranks gives the same bits.
Evaluation add_up(std::span<const BatchLosses> ranks);

}  // namespace fg::engine
