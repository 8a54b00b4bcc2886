#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <fg/data/epoch_plan.hpp>
#include <fg/data/token_set.hpp>

namespace fg::data {

/// One row of a batch, without padding: documents one behind the other.
struct Row {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t>
      lengths;  // of its documents, in order; none is 0; their sum is ids.size()
  /// targets[t] is the id predicted at position t, or -1: not trained, or t is the last of its
  /// document.
  std::vector<std::int64_t> targets;
  std::int64_t trained = 0;  // targets that are not -1; equals EpochPlan::trained_tokens(row)
};

Row make_row(const TokenSet& set, const EpochPlan& plan, std::size_t row);

}  // namespace fg::data
