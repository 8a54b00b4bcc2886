#include "sgd.hpp"

#include "common.hpp"
#include "cuda_optim.hpp"
#include "moments.hpp"

namespace fg::optim {
namespace {

struct Factors {
  float lr;
  float weight_decay;
  float momentum;
  bool nesterov;
};

void step_tile(const Factors& f, std::int64_t count, const float* g, float* buffer, float* p) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float slope = g[i] + f.weight_decay * p[i];
    if (buffer == nullptr) {
      p[i] -= f.lr * slope;
      continue;
    }
    buffer[i] = f.momentum * buffer[i] + slope;
    p[i] -= f.lr * (f.nesterov ? slope + f.momentum * buffer[i] : buffer[i]);
  }
}

}  // namespace

std::vector<StateSpec> Sgd::state_specs(const Parameter& parameter) const {
  if (options().momentum == 0) return {};
  return moment_specs(moment_format(options(), parameter), parameter, "momentum_buffer");
}

std::string Sgd::state_format(const Parameter& parameter) const {
  if (options().momentum == 0) return "none";
  return "momentum " + to_string(moment_format(options(), parameter));
}

void Sgd::run(std::size_t, const Piece& piece, State& state, const StepInfo& info,
              std::span<double>) const {
  if (info.flag != nullptr && info.flag->raised()) return;
  const Work work(piece, options(), info);
  const Factors factors{static_cast<float>(info.lr), static_cast<float>(options().weight_decay),
                        static_cast<float>(options().momentum), options().nesterov};
  std::optional<Moment> moment;
  if (options().momentum > 0)
    moment.emplace(moment_format(options(), piece.parameter), state, "momentum_buffer", true);
  const auto stream = moment_stream(piece, options(), info, "momentum_buffer");
  for_each_tile(work.elements, [&](std::int64_t begin, std::int64_t count) {
    float g[tile_elements], b[tile_elements], p[tile_elements];
    work.load_gradient(begin, count, g);
    work.load_weights(begin, count, p);
    if (moment) moment->load(begin, count, b);
    step_tile(factors, count, g, moment ? b : nullptr, p);
    if (moment)
      moment->store(begin, count, b, stream ? &*stream : nullptr,
                    work.first + static_cast<std::uint64_t>(begin));
    work.store_weights(begin, count, p);
  });
}

void Sgd::run_on_gpu(const Piece& piece, State& state, const StepInfo& info,
                     const GradientCheck* check) const {
  cuda::sgd(piece, options(), state, info, check);
}

}  // namespace fg::optim
