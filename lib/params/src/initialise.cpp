#include "fg/params/initialise.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <fg/base/failpoint.hpp>
#include <fg/base/philox.hpp>

namespace fg::params {
namespace {

/// Two normal numbers from two words (Box and Muller, Ann. Math. Stat. 29, 1958). The words become
/// numbers in (0, 1), so that the logarithm is finite.
std::pair<double, double> normal_pair(std::uint32_t first, std::uint32_t second) {
  const double radius = std::sqrt(-2.0 * std::log((first + 0.5) * 0x1p-32));
  const double angle = 2.0 * std::numbers::pi * ((second + 0.5) * 0x1p-32);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

std::array<double, 4> normal_block(const PhiloxBlock& words) {
  const auto [a, b] = normal_pair(words[0], words[1]);
  const auto [c, d] = normal_pair(words[2], words[3]);
  return {a, b, c, d};
}

void fill_normal(const at::Tensor& values, const RandomStream& stream, double deviation,
                 std::int64_t first_element) {
  constexpr std::int64_t grain = 4096;
  float* const out = values.data_ptr<float>();
  const std::int64_t count = values.numel();
  at::parallel_for(0, (count + 3) / 4, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const auto numbers =
          normal_block(stream.block(static_cast<std::uint64_t>(first_element / 4 + block)));
      for (std::int64_t lane = 0; lane < 4 && 4 * block + lane < count; ++lane)
        out[4 * block + lane] =
            static_cast<float>(deviation * numbers[static_cast<std::size_t>(lane)]);
    }
  });
}

/// In pieces, so that a large matrix of 16 bits needs no second copy in fp32.
void fill_matrix(const at::Tensor& matrix, const LogicalTensor& logical, std::uint64_t seed,
                 double deviation) {
  constexpr std::int64_t piece = std::int64_t{1} << 20;
  const RandomStream stream(seed, "init", logical.name, 0);
  const at::Tensor flat = matrix.view({-1});
  const std::int64_t columns = matrix.numel() / std::max<std::int64_t>(matrix.size(0), 1);
  const std::int64_t shift =
      fault_planted("params.init_by_storage") ? logical.first_row * columns / 4 * 4 : 0;
  for (std::int64_t first = 0; first < flat.numel(); first += piece) {
    const std::int64_t count = std::min(piece, flat.numel() - first);
    const at::Tensor values = at::empty({count}, at::kFloat);
    fill_normal(values, stream, deviation, first + shift);
    flat.narrow(0, first, count).copy_(values);
  }
}

}  // namespace

void initialise(Parameters& parameters, std::uint64_t seed, double initializer_range) {
  for (std::size_t index = 0; index < parameters.layout().logical.size(); ++index) {
    const LogicalTensor& logical = parameters.layout().logical[index];
    at::Tensor values = parameters.logical(index);
    if (logical.shape.size() == 2)
      fill_matrix(values, logical, seed, initializer_range);
    else
      values.fill_(std::string_view(logical.name).ends_with(".bias") ? 0.0 : 1.0);
  }
}

}  // namespace fg::params
