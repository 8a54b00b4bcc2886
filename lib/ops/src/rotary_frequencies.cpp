#include <algorithm>
#include <cmath>
#include <numbers>

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rsub.h>
#include <ATen/ops/where.h>

#include "fg/ops/rotary.hpp"

namespace fg::ops {
namespace {

/// theta^(2i / dim).
at::Tensor powers(const at::Scalar& theta, std::int64_t dim) {
  const at::Tensor exponents = at::arange(0, dim, 2, at::kLong).to(at::kFloat).div(dim);
  return at::pow(theta, exponents);
}

/// The base of the dynamic kind, in fp32 as transformers has it (the length is a tensor there).
at::Tensor grown_base(const arch::Rope& rope, std::int64_t dim, std::int64_t max_positions,
                      std::int64_t length) {
  const at::Tensor tokens = at::full({}, length, at::kLong);
  const at::Tensor stretch = tokens.mul(rope.factor).div(max_positions).sub(rope.factor - 1.0);
  return at::pow(stretch, static_cast<double>(dim) / static_cast<double>(dim - 2)).mul(rope.theta);
}

/// The published rule of Llama 3.1: long wavelengths are stretched, short ones kept, those between
/// blended.
at::Tensor llama3(const arch::Rope& rope, const at::Tensor& plain) {
  const double old_length = static_cast<double>(rope.original_max_position_embeddings);
  const at::Tensor wavelengths = plain.reciprocal().mul(2.0 * std::numbers::pi);
  const at::Tensor is_long = wavelengths.gt(old_length / rope.low_freq_factor);
  const at::Tensor is_short = wavelengths.lt(old_length / rope.high_freq_factor);
  const at::Tensor stretched = at::where(is_long, plain.div(rope.factor), plain);
  const at::Tensor blend = wavelengths.reciprocal()
                               .mul(old_length)
                               .sub(rope.low_freq_factor)
                               .div(rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor blended =
      at::rsub(blend, 1.0).mul(stretched).div(rope.factor).add(blend.mul(stretched));
  return at::where(is_long.logical_or(is_short), stretched, blended);
}

/// The pair whose wavelength turns `rotations` times within the old context (Peng, Quesnelle, Fan,
/// Shippole, "YaRN", arXiv:2309.00071, section 3.2).
double correction_pair(const arch::Rope& rope, std::int64_t dim, double rotations) {
  const double old_length = static_cast<double>(rope.original_max_position_embeddings);
  return static_cast<double>(dim) * std::log(old_length / (rotations * 2.0 * std::numbers::pi)) /
         (2.0 * std::log(rope.theta));
}

at::Tensor yarn(const arch::Rope& rope, std::int64_t dim) {
  double low = correction_pair(rope, dim, rope.beta_fast);
  double high = correction_pair(rope, dim, rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dim - 1));
  if (low == high) high += 0.001;
  const at::Tensor ramp = at::arange(dim / 2, at::kFloat).sub(low).div(high - low).clamp(0, 1);
  const at::Tensor kept = at::rsub(ramp, 1.0);
  const at::Tensor frequencies = powers(rope.theta, dim);
  const at::Tensor stretched = frequencies.mul(rope.factor).reciprocal();
  return stretched.mul(at::rsub(kept, 1.0)).add(frequencies.reciprocal().mul(kept));
}

double magnitude(double scale, double weight) {
  return scale <= 1.0 ? 1.0 : 0.1 * weight * std::log(scale) + 1.0;
}

double yarn_factor(const arch::Rope& rope) {
  if (rope.attention_factor) return *rope.attention_factor;
  const double numerator = rope.mscale.value_or(0.0);
  const double denominator = rope.mscale_all_dim.value_or(0.0);
  if (numerator == 0.0 || denominator == 0.0) return magnitude(rope.factor, 1.0);
  return magnitude(rope.factor, numerator) / magnitude(rope.factor, denominator);
}

}  // namespace

RotaryFrequencies rotary_frequencies(const arch::Rope& rope, std::int64_t head_dim,
                                     std::int64_t max_position_embeddings, std::int64_t length) {
  switch (rope.kind) {
    case arch::RopeKind::standard:
      break;
    case arch::RopeKind::linear:
      return {powers(rope.theta, head_dim).reciprocal().div(rope.factor), 1.0};
    case arch::RopeKind::dynamic: {
      if (length <= max_position_embeddings) break;
      const at::Tensor base = grown_base(rope, head_dim, max_position_embeddings, length);
      const at::Tensor exponents =
          at::arange(0, head_dim, 2, at::kLong).to(at::kFloat).div(head_dim);
      return {at::pow(base, exponents).reciprocal(), 1.0};
    }
    case arch::RopeKind::llama3:
      return {llama3(rope, powers(rope.theta, head_dim).reciprocal()), 1.0};
    case arch::RopeKind::yarn:
      return {yarn(rope, head_dim), yarn_factor(rope)};
  }
  return {powers(rope.theta, head_dim).reciprocal(), 1.0};
}

}  // namespace fg::ops
