#include <algorithm>
#include <numeric>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <fg/base/error.hpp>
#include <fg/device/transfer.hpp>
#include <fg/engine/updater.hpp>

namespace fg::engine {
namespace {

at::Tensor name_order(const params::Parameters& parameters) {
  const auto& logical = parameters.layout().logical;
  std::vector<std::int64_t> order(logical.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::int64_t index) -> const std::string& {
    return logical[static_cast<std::size_t>(index)].name;
  });
  const at::Tensor tensor =
      at::empty({static_cast<std::int64_t>(order.size())}, at::TensorOptions(at::kLong));
  std::ranges::copy(order, tensor.data_ptr<std::int64_t>());
  return device::upload(tensor, parameters.device());
}

}  // namespace

std::vector<optim::Parameter> parameters_of(const params::Layout& layout, at::ScalarType type) {
  std::vector<optim::Parameter> parameters;
  for (const params::LogicalTensor& tensor : layout.logical)
    parameters.push_back({tensor.name, tensor.shape, type});
  return parameters;
}

Updater::Updater(const params::Parameters& parameters, optim::OptimizerSet& optimizers,
                 optim::Clipper& clipper, std::optional<at::ScalarType> kept)
    : parameters_(parameters),
      optimizers_(optimizers),
      clipper_(clipper),
      kept_(kept.has_value()),
      gradients_(parameters, kept),
      flag_(parameters.device()),
      order_(name_order(parameters)) {
  const auto options = at::TensorOptions().device(parameters.device());
  sums_ = at::zeros({order_.numel()}, options.dtype(at::kFloat));
  norm_ = at::zeros({1}, options.dtype(at::kDouble));
  factor_ = at::ones({1}, options.dtype(at::kFloat));
  next_factor_ = at::ones({1}, options.dtype(at::kFloat));
  if (kept_) return;
  FG_CHECK(!clipper.needs_all_gradients());
  gradients_.on_complete([this](std::size_t logical, const at::Tensor& gradient) {
    optimizers_.check_and_update(parameters_.layout().logical[logical].name,
                                 parameters_.logical(logical), gradient, context_, flag_,
                                 sum_of(logical));
  });
}

void Updater::forget_bad() {
  flag_.lower();
  restore(clipper_.last_norm());
}

void Updater::restore(std::optional<double> last_norm) {
  clipper_.restore(last_norm);
  next_factor_.fill_(clipper_.needs_all_gradients() ? 1.0 : clipper_.factor(std::nullopt));
}

void Updater::begin(std::int64_t microbatches, const optim::StepContext& context) {
  context_ = context;
  if (is_on_gpu()) {
    factor_.copy_(next_factor_);
    context_.device_factor = factor_;
  } else {
    context_.gradient_factor = kept_ ? 1.0 : clipper_.factor(std::nullopt);
  }
  gradients_.start_step(microbatches);
}

at::Tensor Updater::measure() {
  if (kept_)
    for (std::size_t index = 0; index < parameters_.layout().logical.size(); ++index)
      optim::check_gradient(gradients_.logical(index), flag_, sum_of(index));
  at::Tensor& factor = clipper_.needs_all_gradients() ? factor_ : next_factor_;
  optim::clip_on_device(sums_, order_, clipper_.options().norm, norm_, factor, flag_);
  return at::cat({norm_, flag_.value().to(at::kDouble)});
}

void Updater::apply() {
  FG_CHECK(kept_);
  if (!is_on_gpu()) context_.gradient_factor = clipper_.factor(norm_.item<double>());
  const auto& logical = parameters_.layout().logical;
  for (std::size_t index = 0; index < logical.size(); ++index)
    optimizers_.update_checked(logical[index].name, parameters_.logical(index),
                               gradients_.logical(index), context_, flag_);
}

}  // namespace fg::engine
