#include <algorithm>
#include <cmath>

#include <ATen/ops/zeros.h>

#include <fg/device/transfer.hpp>
#include <fg/engine/evaluation.hpp>

namespace fg::engine {

model::Batch make_batch(model::Model& model, const std::vector<data::Row>& rows) {
  std::vector<std::int64_t> ids, lengths, targets;
  for (const data::Row& row : rows) {
    ids.insert(ids.end(), row.ids.begin(), row.ids.end());
    lengths.insert(lengths.end(), row.lengths.begin(), row.lengths.end());
    targets.insert(targets.end(), row.targets.begin(), row.targets.end());
  }
  return model.make_batch(ids, lengths, targets);
}

double Evaluation::loss() const {
  return tokens > 0 ? loss_sum / static_cast<double>(tokens) : 0.0;
}

double Evaluation::perplexity() const {
  return std::exp(loss());
}

Evaluation evaluate(model::Model& model, const data::TokenSet& set, const data::EpochPlan& plan,
                    std::int64_t rows_at_once, std::optional<std::uint64_t> most_rows,
                    const std::function<void(std::uint64_t)>& after_batch) {
  const auto all = static_cast<std::uint64_t>(plan.rows());
  const std::uint64_t rows = std::min(all, most_rows.value_or(all));
  Evaluation result;
  at::Tensor loss_sum = at::zeros({1}, at::TensorOptions(at::kDouble).device(model.device()));
  for (std::uint64_t begin = 0; begin < rows;) {
    const std::uint64_t end = std::min(rows, begin + static_cast<std::uint64_t>(rows_at_once));
    std::vector<data::Row> batch;
    for (std::uint64_t row = begin; row < end; ++row)
      batch.push_back(data::make_row(set, plan, static_cast<std::size_t>(row)));
    const model::Batch packed = make_batch(model, batch);
    if (packed.trained() > 0) loss_sum.add_(model::loss_sum(model.evaluate(packed)));
    result.tokens += packed.trained();
    begin = end;
    after_batch(begin);
  }
  device::Readback sum(loss_sum);
  result.loss_sum = *sum.values().data_ptr<double>();
  return result;
}

}  // namespace fg::engine
