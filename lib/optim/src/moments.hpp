#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <fg/base/philox.hpp>
#include <fg/optim/options.hpp>
#include <fg/optim/parameter.hpp>
#include <fg/optim/state.hpp>

#include "tiles.hpp"

namespace fg::optim {

/// How a running mean of a parameter's shape is kept: as a tensor of floats, or in blocks of codes.
struct MomentFormat {
  int bits = 32;           // 32 and 16: floats; 8 and 4: codes
  std::int64_t block = 1;  // elements that share a scale

  bool quantised() const { return bits < 16; }
};

/// 4 bits in blocks of 128, 8 bits in blocks of 256, both only for tensors of at least 4096
/// elements that are whole blocks; else floats of `state_dtype`.
MomentFormat moment_format(const OptimizerOptions& options, const Parameter& parameter);

/// Rows that hold a whole number of blocks.
std::int64_t moment_row_unit(const MomentFormat& format, const Parameter& parameter);

/// The tensors of the moment `name`: itself, or "<name>.codes" and "<name>.scale".
std::vector<StateSpec> moment_specs(const MomentFormat& format, const Parameter& parameter,
                                    const std::string& name);

/// "float32", "4-bit".
std::string to_string(const MomentFormat& format);

/// Access to one moment of a piece by tiles of float32.
class Moment {
public:
  Moment(const MomentFormat& format, State& state, const std::string& name, bool is_signed);

  void load(std::int64_t begin, std::int64_t count, float* to) const;
  /// Codes are rounded to the nearest; bfloat16 stochastically where a stream is given.
  void store(std::int64_t begin, std::int64_t count, const float* from, const RandomStream* random,
             std::uint64_t random_begin) const;

private:
  MomentFormat format_;
  bool is_signed_;
  Matrix plain_;
  std::uint8_t* codes_ = nullptr;
  float* scales_ = nullptr;
};

}  // namespace fg::optim
