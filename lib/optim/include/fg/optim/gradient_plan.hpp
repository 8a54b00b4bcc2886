#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <fg/optim/clipping.hpp>
#include <fg/optim/numerics_guard.hpp>
#include <fg/optim/parameter.hpp>

namespace fg::optim {

enum class GradientType { automatic, float32, bfloat16 };

/// What decides whether a gradient may go as soon as its weight is updated.
struct GradientNeeds {
  std::int64_t microbatches = 1;  // a step and rank
  ClipOptions clip;
  NanPolicy nan = NanPolicy::stop;
  SpikePolicy spike = SpikePolicy::warn;
};

/// True where all gradients of a step must be there before the first update: more than one
/// microbatch, exact clipping, or a policy that skips.
bool gradients_are_kept(const GradientNeeds& needs);

/// Bytes of the buffer of all local gradients.
std::uint64_t gradient_buffer_bytes(std::span<const Parameter> local, at::ScalarType dtype);

/// The buffer's type: as asked, or float32 if that many bytes fit `budget` (always, without one),
/// else bfloat16. Parameters in float32 always get float32.
at::ScalarType gradient_dtype(GradientType asked, std::span<const Parameter> local,
                              std::optional<std::uint64_t> budget);

}  // namespace fg::optim
