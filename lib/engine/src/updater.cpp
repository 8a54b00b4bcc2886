#include <cmath>

#include <fg/base/error.hpp>
#include <fg/engine/updater.hpp>

namespace fg::engine {

Updater::Updater(const params::Parameters& parameters, optim::OptimizerSet& optimizers,
                 optim::Clipper& clipper, std::optional<at::ScalarType> kept)
    : parameters_(parameters),
      optimizers_(optimizers),
      clipper_(clipper),
      kept_(kept.has_value()),
      gradients_(parameters, kept) {
  if (kept_) return;
  FG_CHECK(!clipper.needs_all_gradients());
  gradients_.on_complete([this](std::size_t logical, const at::Tensor& gradient) {
    const params::LogicalTensor& tensor = parameters_.layout().logical[logical];
    sums_.push_back(
        {tensor.name, optimizers_.check_and_update(tensor.name, parameters_.logical(logical),
                                                   gradient, context_, flag_)});
  });
}

void Updater::begin(std::int64_t microbatches, const optim::StepContext& context) {
  context_ = context;
  context_.gradient_factor = kept_ ? 1.0 : clipper_.factor(std::nullopt);
  sums_.clear();
  flag_.lower();
  gradients_.start_step(microbatches);
}

Updater::Measure Updater::measure() {
  if (kept_) {
    const auto& logical = parameters_.layout().logical;
    for (std::size_t index = 0; index < logical.size(); ++index)
      sums_.push_back(
          {logical[index].name, optim::check_gradient(gradients_.logical(index), flag_)});
  }
  const double norm = optim::global_norm(sums_);
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
