#include <numeric>

#include <fg/base/error.hpp>
#include <fg/optim/optimizer.hpp>

#include "adafactor.hpp"
#include "adamw.hpp"
#include "common.hpp"
#include "sgd.hpp"

namespace fg::optim {

Optimizer::Optimizer(const OptimizerOptions& options) : options_(options) {
  validate(options, "optimizer");
}

std::int64_t Optimizer::row_unit(const Parameter&) const {
  return 1;
}

std::vector<std::size_t> Optimizer::phase_sums(const Parameter&) const {
  return {0};
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options) {
  switch (options.type) {
    case OptimizerType::adafactor:
      return std::make_unique<Adafactor>(options);
    case OptimizerType::adamw:
    case OptimizerType::adamw8bit:
    case OptimizerType::adamw4bit:
      return std::make_unique<AdamW>(options);
    case OptimizerType::sgd:
      return std::make_unique<Sgd>(options);
  }
  fail(ExitCode::bug, "unknown optimizer type");
}

void update(const Optimizer& optimizer, const Piece& piece, State& state, const StepInfo& info) {
  FG_CHECK(piece.first_row == 0 && piece.values.numel() == extent_of(piece.parameter).elements());
  if (piece.values.is_cuda()) return optimizer.run_on_gpu(piece, state, info, nullptr);
  const std::vector<std::size_t> counts = optimizer.phase_sums(piece.parameter);
  std::vector<double> sums(std::accumulate(counts.begin(), counts.end(), std::size_t{0}));
  for (std::size_t phase = 0; phase < counts.size(); ++phase)
    optimizer.run(phase, piece, state, info, sums);
}

void check_and_update(const Optimizer& optimizer, const Piece& piece, State& state,
                      const StepInfo& info, const GradientCheck& check) {
  if (piece.values.is_cuda()) return optimizer.run_on_gpu(piece, state, info, &check);
  check_gradient(piece.gradient, check.flag, check.sum);
  update(optimizer, piece, state, info);
}

Work::Work(const Piece& piece, const OptimizerOptions& options, const StepInfo& info)
    : extent(extent_of(piece.parameter)),
      elements(piece.values.numel()),
      values(matrix_of(piece.values)),
      gradient(matrix_of(piece.gradient)),
      factor(static_cast<float>(info.gradient_factor)) {
  FG_CHECK(piece.values.sizes() == piece.gradient.sizes());
  FG_CHECK(piece.values.scalar_type() == piece.parameter.dtype);
  const std::int64_t whole_rows = extent.rows;
  if (extent.columns > 0) extent.rows = elements / extent.columns;
  FG_CHECK(extent.elements() == elements);
  FG_CHECK(piece.first_row >= 0 && piece.first_row + extent.rows <= whole_rows);
  first = static_cast<std::uint64_t>(piece.first_row * extent.columns);
  if (options.stochastic_rounding && values.dtype == at::kBFloat16)
    random.emplace(info.seed, "rounding", piece.parameter.name, info.step);
}

void Work::load_gradient(std::int64_t begin, std::int64_t count, float* to) const {
  load(gradient, begin, count, to);
  if (factor == 1.0F) return;
  for (std::int64_t i = 0; i < count; ++i) to[i] *= factor;
}

void Work::load_weights(std::int64_t begin, std::int64_t count, float* to) const {
  load(values, begin, count, to);
}

void Work::store_weights(std::int64_t begin, std::int64_t count, const float* from) const {
  if (!random) return store(values, begin, count, from);
  store_stochastic(values, begin, count, from, *random, first + static_cast<std::uint64_t>(begin));
}

std::optional<RandomStream> moment_stream(const Piece& piece, const OptimizerOptions& options,
                                          const StepInfo& info, const char* name) {
  if (!options.stochastic_rounding) return std::nullopt;
  return RandomStream(info.seed, std::string("rounding.") + name, piece.parameter.name, info.step);
}

StateSpec step_spec() {
  return {"step", at::kLong, {1}, false};
}

std::int64_t age(State& state) {
  return *state["step"].data_ptr<std::int64_t>();
}

void set_age(State& state, std::int64_t age) {
  *state["step"].data_ptr<std::int64_t>() = age;
}

}  // namespace fg::optim
