#include "moments.hpp"

#include <numeric>

#include "blockwise.hpp"

namespace fg::optim {
namespace {

// As in bitsandbytes and torchao: below this, codes save nothing worth their error.
constexpr std::int64_t least_quantised = 4096;

at::ScalarType float_type(const MomentFormat& format) {
  return format.bits == 16 ? at::kBFloat16 : at::kFloat;
}

int float_bits(const OptimizerOptions& options, const Parameter& parameter) {
  switch (options.state_dtype) {
    case StateType::float32:
      return 32;
    case StateType::bfloat16:
      return 16;
    case StateType::automatic:
      break;
  }
  const bool follows_parameter =
      options.type == OptimizerType::adamw8bit || options.type == OptimizerType::adamw4bit;
  return follows_parameter && parameter.dtype == at::kBFloat16 ? 16 : 32;
}

}  // namespace

MomentFormat moment_format(const OptimizerOptions& options, const Parameter& parameter) {
  MomentFormat format;
  if (options.type == OptimizerType::adamw8bit) format = {8, 256};
  if (options.type == OptimizerType::adamw4bit) format = {4, 128};
  const std::int64_t elements = extent_of(parameter).elements();
  if (!format.quantised() || elements < least_quantised || elements % format.block != 0)
    return {float_bits(options, parameter), 1};
  return format;
}

std::int64_t moment_row_unit(const MomentFormat& format, const Parameter& parameter) {
  return format.block / std::gcd(format.block, extent_of(parameter).columns);
}

std::vector<StateSpec> moment_specs(const MomentFormat& format, const Parameter& parameter,
                                    const std::string& name) {
  if (!format.quantised()) return {{name, float_type(format), parameter.shape, true}};
  const std::int64_t elements = extent_of(parameter).elements();
  return {{name + ".codes", at::kByte, {elements * format.bits / 8}, true},
          {name + ".scale", at::kFloat, {elements / format.block}, true}};
}

std::string to_string(const MomentFormat& format) {
  if (format.quantised()) return std::to_string(format.bits) + "-bit";
  return format.bits == 16 ? "bfloat16" : "float32";
}

Moment::Moment(const MomentFormat& format, State& state, const std::string& name, bool is_signed)
    : format_(format), is_signed_(is_signed) {
  if (!format.quantised()) {
    plain_ = matrix_of(state[name]);
    return;
  }
  codes_ = state[name + ".codes"].data_ptr<std::uint8_t>();
  scales_ = state[name + ".scale"].data_ptr<float>();
}

void Moment::load(std::int64_t begin, std::int64_t count, float* to) const {
  if (!format_.quantised()) return optim::load(plain_, begin, count, to);
  const CodeBook& book = code_book(format_.bits, is_signed_);
  for (std::int64_t done = 0; done < count; done += format_.block) {
    const std::int64_t at = begin + done;
    dequantise_block(book, format_.bits, codes_ + at * format_.bits / 8,
                     scales_[at / format_.block], format_.block, to + done);
  }
}

void Moment::store(std::int64_t begin, std::int64_t count, const float* from,
                   const RandomStream* random, std::uint64_t random_begin) const {
  if (!format_.quantised()) {
    if (random != nullptr)
      return store_stochastic(plain_, begin, count, from, *random, random_begin);
    return optim::store(plain_, begin, count, from);
  }
  const CodeBook& book = code_book(format_.bits, is_signed_);
  for (std::int64_t done = 0; done < count; done += format_.block) {
    const std::int64_t at = begin + done;
    quantise_block(book, format_.bits, from + done, format_.block, codes_ + at * format_.bits / 8,
                   scales_ + at / format_.block);
  }
}

}  // namespace fg::optim
