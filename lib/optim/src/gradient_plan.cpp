#include <algorithm>

#include <fg/optim/gradient_plan.hpp>

namespace fg::optim {

bool gradients_are_kept(const GradientNeeds& needs) {
  return needs.microbatches > 1 || (needs.clip.norm > 0 && needs.clip.mode == ClipMode::exact) ||
         needs.nan == NanPolicy::skip || needs.spike == SpikePolicy::skip;
}

std::uint64_t gradient_buffer_bytes(std::span<const Parameter> local, at::ScalarType dtype) {
  std::uint64_t elements = 0;
  for (const Parameter& parameter : local)
    elements += static_cast<std::uint64_t>(extent_of(parameter).elements());
  return elements * c10::elementSize(dtype);
}

at::ScalarType gradient_dtype(GradientType asked, std::span<const Parameter> local,
                              std::optional<std::uint64_t> budget) {
  switch (asked) {
    case GradientType::float32:
      return at::kFloat;
    case GradientType::bfloat16:
      return at::kBFloat16;
    case GradientType::automatic:
      break;
  }
  const bool all_half = std::all_of(local.begin(), local.end(), [](const Parameter& parameter) {
    return parameter.dtype == at::kBFloat16;
  });
  const bool fits = !budget || gradient_buffer_bytes(local, at::kFloat) <= *budget;
  return fits || !all_half ? at::kFloat : at::kBFloat16;
}

}  // namespace fg::optim
