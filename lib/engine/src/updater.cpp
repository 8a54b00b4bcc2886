#include <algorithm>
#include <numeric>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/device/transfer.hpp>
#include <fg/engine/updater.hpp>

namespace fg::engine {
namespace {

at::Tensor to_device(const std::vector<std::int64_t>& values, at::Device device) {
  const at::Tensor tensor =
      at::empty({static_cast<std::int64_t>(values.size())}, at::TensorOptions(at::kLong));
  std::ranges::copy(values, tensor.data_ptr<std::int64_t>());
  return device::upload(tensor, device);
}

/// Their indices, by name.
std::vector<std::int64_t> name_order(const std::vector<std::string>& names) {
  std::vector<std::int64_t> order(names.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::int64_t index) -> const std::string& {
    return names[static_cast<std::size_t>(index)];
  });
  return order;
}

std::vector<std::string> names_of(const params::Layout& layout) {
  std::vector<std::string> names;
  for (const params::LogicalTensor& tensor : layout.logical) names.push_back(tensor.name);
  return names;
}

/// Where the sum of each of this rank's tensors goes; behind all where it does not count here.
std::vector<std::int64_t> places_of(const params::Layout& layout, const NormShare& share) {
  std::vector<std::int64_t> places;
  for (std::size_t index = 0; index < layout.logical.size(); ++index) {
    const auto found = std::ranges::find(share.names, layout.logical[index].name);
    FG_CHECK(found != share.names.end());
    const bool is_counted = share.is_counted.empty() || share.is_counted[index];
    places.push_back(is_counted ? found - share.names.begin()
                                : static_cast<std::int64_t>(share.names.size()));
  }
  return places;
}

UpdateTime time_of(const Updater::Options& options) {
  return options.time.value_or(options.kept ? UpdateTime::at_end : UpdateTime::in_backward);
}

}  // namespace

std::vector<optim::Parameter> parameters_of(const params::Layout& layout, at::ScalarType type) {
  std::vector<optim::Parameter> parameters;
  for (const params::LogicalTensor& tensor : layout.logical)
    parameters.push_back({tensor.name, tensor.shape, type});
  return parameters;
}

at::Tensor sum_in_order(const at::Tensor& numbers) {
  if (numbers.is_cuda()) return numbers.sum().view({1});
  const double* const values = numbers.data_ptr<double>();
  double sum = 0.0;
  for (std::int64_t index = 0; index < numbers.numel(); ++index) sum += values[index];
  return at::full({1}, sum, numbers.options());
}

Updater::Updater(const params::Parameters& parameters, optim::OptimizerSet& optimizers,
                 optim::Clipper& clipper, Options options)
    : parameters_(parameters),
      optimizers_(optimizers),
      clipper_(clipper),
      time_(time_of(options)),
      ranks_(options.share.ranks),
      gradients_(parameters, options.kept),
      flag_(parameters.device()) {
  NormShare& share = options.share;
  if (share.names.empty()) share.names = names_of(parameters.layout());
  places_ = places_of(parameters.layout(), share);
  if (ranks_ != nullptr && ranks_->rank() == 1 && fault_planted("engine.tensor_not_in_norm"))
    places_.back() = static_cast<std::int64_t>(share.names.size());
  order_ = to_device(name_order(share.names), parameters.device());
  const auto on_device = at::TensorOptions().device(parameters.device());
  sums_ = at::zeros({order_.numel() + 1}, on_device.dtype(at::kFloat));
  norm_ = at::zeros({1}, on_device.dtype(at::kDouble));
  factor_ = at::ones({1}, on_device.dtype(at::kFloat));
  next_factor_ = at::ones({1}, on_device.dtype(at::kFloat));
  FG_CHECK(options.kept.has_value() == (time_ != UpdateTime::in_backward));
  FG_CHECK(time_ == UpdateTime::at_end || !clipper.needs_all_gradients());
  if (time_ != UpdateTime::in_backward) return;
  gradients_.on_complete([this](std::size_t logical, const at::Tensor& gradient) {
    optimizers_.check_and_update(name_of(logical), parameters_.logical(logical), gradient, context_,
                                 flag_, sum_of(logical));
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
    context_.gradient_factor = waits_for_numbers() ? 1.0 : clipper_.factor(std::nullopt);
  }
  gradients_.start_step(microbatches);
}

void Updater::update(std::size_t logical) {
  FG_CHECK(time_ == UpdateTime::on_call);
  optimizers_.check_and_update(name_of(logical), parameters_.logical(logical),
                               gradients_.logical(logical), context_, flag_, sum_of(logical));
}

at::Tensor Updater::measure(const at::Tensor& losses) {
  if (waits_for_numbers())
    for (std::size_t index = 0; index < parameters_.layout().logical.size(); ++index)
      optim::check_gradient(gradients_.logical(index), flag_, sum_of(index));
  const std::int64_t tensors = order_.numel();
  at::Tensor sums = sums_.narrow(0, 0, tensors);
  at::Tensor all_losses = losses;
  if (ranks_ != nullptr) {
    // Each number is one rank's and zero on the others, so the sum has its bits.
    const at::Tensor numbers = at::cat({losses, sums.to(at::kDouble)});
    ranks_->all_reduce_sum(numbers);
    all_losses = numbers.narrow(0, 0, losses.numel());
    sums = numbers.narrow(0, losses.numel(), tensors).to(at::kFloat);
  }
  at::Tensor& factor = clipper_.needs_all_gradients() ? factor_ : next_factor_;
  optim::clip_on_device(sums, order_, clipper_.options().norm, norm_, factor, flag_);
  return at::cat({sum_in_order(all_losses), norm_, flag_.value().to(at::kDouble)});
}

void Updater::apply() {
  FG_CHECK(waits_for_numbers());
  if (!is_on_gpu()) context_.gradient_factor = clipper_.factor(norm_.item<double>());
  for (std::size_t index = 0; index < parameters_.layout().logical.size(); ++index)
    optimizers_.update_checked(name_of(index), parameters_.logical(index),
                               gradients_.logical(index), context_, flag_);
}

}  // namespace fg::engine
