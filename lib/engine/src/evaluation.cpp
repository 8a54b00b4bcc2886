#include <algorithm>
#include <cmath>

#include <ATen/ops/zeros.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/device/transfer.hpp>
#include <fg/engine/evaluation.hpp>

namespace fg::engine {

model::Batch make_batch(model::Model& model, const std::vector<data::Row>& rows) {
  fail_point("train.batch");
  std::vector<std::int64_t> ids, lengths, targets;
  for (const data::Row& row : rows) {
    ids.insert(ids.end(), row.ids.begin(), row.ids.end());
    lengths.insert(lengths.end(), row.lengths.begin(), row.lengths.end());
    targets.insert(targets.end(), row.targets.begin(), row.targets.end());
  }
  return model.make_batch(ids, lengths, targets);
}

std::vector<data::Row> rows_between(const data::TokenSet& set, const data::EpochPlan& plan,
                                    std::uint64_t first, std::uint64_t last) {
  std::vector<data::Row> rows;
  for (std::uint64_t row = first; row < last; ++row)
    rows.push_back(data::make_row(set, plan, static_cast<std::size_t>(row)));
  return rows;
}

double Evaluation::loss() const {
  return tokens > 0 ? loss_sum / static_cast<double>(tokens) : 0.0;
}

double Evaluation::perplexity() const {
  return std::exp(loss());
}

BatchLosses evaluate(model::Model& model, const data::TokenSet& set, const data::EpochPlan& plan,
                     std::int64_t rows_at_once, std::optional<std::uint64_t> most_rows,
                     BatchShare share, const std::function<void(std::uint64_t)>& after_batch) {
  FG_CHECK(rows_at_once > 0 && share.rank < share.ranks);
  const auto all = static_cast<std::uint64_t>(plan.rows());
  const std::uint64_t rows = std::min(all, most_rows.value_or(all));
  const auto at_once = static_cast<std::uint64_t>(rows_at_once);
  const std::uint64_t batches = (rows + at_once - 1) / at_once;
  const std::uint64_t own = batches > share.rank ? (batches - share.rank - 1) / share.ranks + 1 : 0;
  BatchLosses result;
  at::Tensor sums = at::zeros({static_cast<std::int64_t>(own)},
                              at::TensorOptions(at::kDouble).device(model.device()));
  for (std::uint64_t index = 0; index < own; ++index) {
    const std::uint64_t begin = (share.rank + index * share.ranks) * at_once;
    const std::uint64_t end = std::min(rows, begin + at_once);
    const model::Batch packed = make_batch(model, rows_between(set, plan, begin, end));
    if (packed.trained() > 0)
      sums.select(0, static_cast<std::int64_t>(index))
          .copy_(model::loss_sum(model.evaluate(packed)));
    result.tokens += packed.trained();
    after_batch(end);
  }
  device::Readback read(sums);
  const double* const values = read.values().data_ptr<double>();
  result.sums.assign(values, values + own);
  return result;
}

Evaluation add_up(std::span<const BatchLosses> ranks) {
  Evaluation all;
  std::size_t batches = 0;
  for (const BatchLosses& rank : ranks) {
    batches += rank.sums.size();
    all.tokens += rank.tokens;
  }
  static const bool one_lost = fault_planted("engine.batches_of_one_rank_lost");
  for (std::size_t batch = 0; batch < batches; ++batch) {
    const std::size_t rank = batch % ranks.size();
    if (one_lost && rank == 1) continue;
    all.loss_sum += ranks[rank].sums.at(batch / ranks.size());
  }
  return all;
}

}  // namespace fg::engine
