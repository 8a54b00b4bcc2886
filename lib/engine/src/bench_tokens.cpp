#include "bench_tokens.hpp"

#include <algorithm>
#include <set>

#include <fg/model/batch.hpp>
#include <fg/ops/documents.hpp>

namespace fg::engine {

std::vector<std::int64_t> BenchTokens::draw_lengths() {
  std::vector<std::int64_t> lengths;
  for (std::int64_t row = 0; row < task_.rows; ++row) {
    std::set<std::int64_t> cuts{task_.length};
    while (static_cast<std::int64_t>(cuts.size()) < std::min(task_.documents, task_.length))
      cuts.insert(
          1 + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(task_.length - 1)));
    std::int64_t begin = 0;
    for (const std::int64_t cut : cuts) {
      lengths.push_back(cut - begin);
      begin = cut;
    }
  }
  return lengths;
}

BenchTokens::Rows BenchTokens::next() {
  Rows rows;
  rows.lengths = draw_lengths();
  rows.ids.resize(static_cast<std::size_t>(task_.rows * task_.length));
  const auto vocabulary = static_cast<std::uint64_t>(task_.config.vocab_size);
  for (std::int64_t& id : rows.ids) id = static_cast<std::int64_t>(random_() % vocabulary);
  rows.targets.resize(rows.ids.size());
  const std::vector<std::uint8_t> all(rows.ids.size(), 1);
  model::next_token_targets(rows.ids, ops::Documents(rows.lengths), all, rows.targets);
  return rows;
}

}  // namespace fg::engine
