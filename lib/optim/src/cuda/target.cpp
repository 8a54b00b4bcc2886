#include "target.hpp"

#include <string>

#include <ATen/ops/empty.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

#include "../common.hpp"

namespace fg::optim::cuda {
namespace {

kernels::Rounding rounding_of(const RandomStream& stream, bool stochastic) {
  static const bool biased = fault_planted("optim.cuda_rounding_bias");
  return {stream, stochastic, biased ? 0xFFFFFFFFU : 0U};
}

}  // namespace

kernels::Element element_of(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kFloat) return kernels::Element::float32;
  if (tensor.scalar_type() == at::kBFloat16) return kernels::Element::bfloat16;
  fail(ExitCode::usage, std::string("optimizers on a GPU work on float32 and bfloat16, not on ") +
                            c10::toString(tensor.scalar_type()));
}

kernels::Rows rows_of(const at::Tensor& tensor) {
  FG_CHECK(tensor.defined() && tensor.is_cuda());
  const kernels::Element type = element_of(tensor);
  const Matrix matrix = matrix_anywhere(tensor);
  return {matrix.data, type, matrix.stride};
}

bool lies_by_eights(const kernels::Rows& rows, std::int64_t count, std::int64_t columns) {
  const std::int64_t size = rows.type == kernels::Element::float32 ? 4 : 2;
  return columns % 8 == 0 && reinterpret_cast<std::uintptr_t>(rows.data) % 16 == 0 &&
         (count <= 1 || rows.stride * size % 16 == 0);
}

kernels::Target target_of(const Piece& piece, const OptimizerOptions& options, const StepInfo& info,
                          const GradientCheck* check, bool joined) {
  FG_CHECK(piece.values.sizes() == piece.gradient.sizes());
  FG_CHECK(piece.values.scalar_type() == piece.parameter.dtype);
  FG_CHECK(piece.values.device() == piece.gradient.device());
  const Extent extent = extent_of(piece.parameter);
  FG_CHECK(piece.first_row == 0 && piece.values.numel() == extent.elements());
  kernels::Target target{
      .rows = 0,
      .columns = 0,
      .first = 0,
      .values = rows_of(piece.values),
      .gradient = rows_of(piece.gradient),
      .factor = static_cast<float>(info.gradient_factor),
      .rounding = rounding_of(RandomStream(info.seed, "rounding", piece.parameter.name, info.step),
                              options.stochastic_rounding)};
  const std::int64_t elements = piece.values.numel();
  if (elements > 0) {
    target.columns = matrix_anywhere(piece.values).columns;
    target.rows = elements / target.columns;
  }
  if (joined && target.values.stride == target.columns &&
      target.gradient.stride == target.columns) {
    target.rows = 1;
    target.columns = target.values.stride = target.gradient.stride = elements;
  }
  target.by_eights = lies_by_eights(target.values, target.rows, target.columns) &&
                     lies_by_eights(target.gradient, target.rows, target.columns);
  if (info.device_factor.defined()) {
    FG_CHECK(info.device_factor.device() == piece.values.device());
    FG_CHECK(info.device_factor.numel() == 1);
    target.device_factor = info.device_factor.const_data_ptr<float>();
  }
  const NumericsFlag* flag = check != nullptr ? &check->flag : info.flag;
  static const bool ignored = fault_planted("optim.cuda_flag_ignored");
  if (flag != nullptr && !ignored) {
    FG_CHECK(flag->value().device() == piece.values.device());
    target.flag = flag->value().const_data_ptr<std::int32_t>();
  }
  return target;
}

kernels::Rounding moment_rounding(const Piece& piece, const OptimizerOptions& options,
                                  const StepInfo& info, const char* name) {
  const auto stream = moment_stream(piece, options, info, name);
  if (stream) return rounding_of(*stream, true);
  return rounding_of(RandomStream(0, "", "", 0), false);
}

std::int64_t* age_of(State& state) {
  const at::Tensor& step = state["step"];
  FG_CHECK(step.is_cuda());
  return step.data_ptr<std::int64_t>();
}

bool age_is_kept() {
  static const bool kept = fault_planted("optim.cuda_age_kept");
  return kept;
}

void Scratch::allocate(at::Device device) {
  memory_ = at::empty({bytes_}, at::TensorOptions().dtype(at::kByte).device(device));
  auto* begin = memory_.data_ptr<std::uint8_t>();
  for (const Part& part : parts_) *part.place = begin + part.offset;
}

}  // namespace fg::optim::cuda
