#include <cmath>

#include <ATen/ops/zeros.h>

#include <fg/base/error.hpp>
#include <fg/engine/updater.hpp>

namespace fg::engine {

Updater::Updater(const params::Parameters& parameters, optim::OptimizerSet& optimizers,
                 optim::Clipper& clipper, std::optional<at::ScalarType> kept)
    : parameters_(parameters),
      optimizers_(optimizers),
      clipper_(clipper),
      kept_(kept.has_value()),
      gradients_(parameters, kept),
      sums_(at::zeros({static_cast<std::int64_t>(parameters.layout().logical.size())}, at::kFloat)) {
  if (kept_) return;
  FG_CHECK(!clipper.needs_all_gradients());
  gradients_.on_complete([this](std::size_t logical, const at::Tensor& gradient) {
    const params::LogicalTensor& tensor = parameters_.layout().logical[logical];
    optimizers_.check_and_update(tensor.name, parameters_.logical(logical), gradient, context_,
                                 flag_, sum_of(logical));
  });
}

void Updater::begin(std::int64_t microbatches, const optim::StepContext& context) {
  context_ = context;
  context_.gradient_factor = kept_ ? 1.0 : clipper_.factor(std::nullopt);
  sums_.zero_();
  flag_.lower();
  gradients_.start_step(microbatches);
}

at::Tensor Updater::sum_of(std::size_t logical) const {
  return sums_.narrow(0, static_cast<std::int64_t>(logical), 1);
}

Updater::Measure Updater::measure() {
  const auto& logical = parameters_.layout().logical;
  std::vector<optim::NamedSum> named;
  for (std::size_t index = 0; index < logical.size(); ++index) {
    if (kept_) optim::check_gradient(gradients_.logical(index), flag_, sum_of(index));
    named.push_back({logical[index].name, sums_.const_data_ptr<float>()[index]});
  }
  const double norm = optim::global_norm(named);
  const bool finite = !flag_.raised() && std::isfinite(norm);
  if (finite && kept_) context_.gradient_factor = clipper_.factor(norm);
  if (finite) clipper_.finished(norm);
  return {.norm = norm, .finite = finite};
}

void Updater::apply() {
  FG_CHECK(kept_);
  const auto& logical = parameters_.layout().logical;
  for (std::size_t index = 0; index < logical.size(); ++index)
    optimizers_.update_checked(logical[index].name, parameters_.logical(index),
                               gradients_.logical(index), context_, flag_);
}

}  // namespace fg::engine
