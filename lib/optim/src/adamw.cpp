#include "adamw.hpp"

#include <cmath>

#include <fg/base/failpoint.hpp>

#include "common.hpp"
#include "cuda_optim.hpp"
#include "moments.hpp"

namespace fg::optim {
namespace {

struct Factors {
  float one_minus_beta1;
  float one_minus_beta2;
  float step_size;        // lr / (1 - beta1^t)
  float root_correction;  // 1 / sqrt(1 - beta2^t)
  float decay;            // lr * weight_decay
  float eps;
};

Factors factors_at(const OptimizerOptions& options, double lr, std::int64_t t) {
  const auto age = static_cast<double>(t);
  double correction1 = 1 - std::pow(options.beta1, age);
  double correction2 = 1 - std::pow(options.beta2, age);
  if (fault_planted("optim.bias_correction_missing")) correction1 = correction2 = 1;
  double decay = lr * options.weight_decay;
  if (fault_planted("optim.decay_twice")) decay *= 2;
  return {static_cast<float>(1 - options.beta1),
          static_cast<float>(1 - options.beta2),
          static_cast<float>(lr / correction1),
          static_cast<float>(1 / std::sqrt(correction2)),
          static_cast<float>(decay),
          static_cast<float>(options.eps)};
}

// The update is summed up before it meets the weight, so that a small decay is not rounded away
// alone.
void step_tile(const Factors& f, std::int64_t count, const float* __restrict g, float* __restrict m,
               float* __restrict v, float* __restrict p) {
  for (std::int64_t i = 0; i < count; ++i) {
    m[i] += f.one_minus_beta1 * (g[i] - m[i]);
    v[i] += f.one_minus_beta2 * (g[i] * g[i] - v[i]);
    const float root = std::sqrt(v[i]) * f.root_correction + f.eps;
    p[i] -= f.decay * p[i] + f.step_size * m[i] / root;
  }
}

}  // namespace

std::vector<StateSpec> AdamW::state_specs(const Parameter& parameter) const {
  const MomentFormat format = moment_format(options(), parameter);
  std::vector<StateSpec> specs{step_spec()};
  for (const char* name : {"exp_avg", "exp_avg_sq"})
    for (StateSpec& spec : moment_specs(format, parameter, name)) specs.push_back(std::move(spec));
  return specs;
}

std::string AdamW::state_format(const Parameter& parameter) const {
  return "m, v " + to_string(moment_format(options(), parameter));
}

std::int64_t AdamW::row_unit(const Parameter& parameter) const {
  return moment_row_unit(moment_format(options(), parameter), parameter);
}

void AdamW::run(std::size_t, const Piece& piece, State& state, const StepInfo& info,
                std::span<double>) const {
  if (info.flag != nullptr && info.flag->raised()) return;
  const Work work(piece, options(), info);
  const MomentFormat format = moment_format(options(), piece.parameter);
  const Moment first(format, state, "exp_avg", true);
  const Moment second(format, state, "exp_avg_sq", false);
  const auto first_stream = moment_stream(piece, options(), info, "exp_avg");
  const auto second_stream = moment_stream(piece, options(), info, "exp_avg_sq");
  const std::int64_t t = age(state) + 1;
  const Factors factors = factors_at(options(), info.lr, t);
  for_each_tile(work.elements, [&](std::int64_t begin, std::int64_t count) {
    float g[tile_elements], m[tile_elements], v[tile_elements], p[tile_elements];
    work.load_gradient(begin, count, g);
    work.load_weights(begin, count, p);
    first.load(begin, count, m);
    second.load(begin, count, v);
    step_tile(factors, count, g, m, v, p);
    const std::uint64_t at = work.first + static_cast<std::uint64_t>(begin);
    first.store(begin, count, m, first_stream ? &*first_stream : nullptr, at);
    second.store(begin, count, v, second_stream ? &*second_stream : nullptr, at);
    work.store_weights(begin, count, p);
  });
  set_age(state, t);
}

void AdamW::run_on_gpu(const Piece& piece, State& state, const StepInfo& info,
                       const GradientCheck* check) const {
  cuda::adamw(piece, options(), state, info, check);
}

}  // namespace fg::optim
