#include "fg/ops/gradient_stats.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernel.hpp"

namespace fg::ops {

void gradient_stats(const at::Tensor& gradient, at::Tensor& sum_of_squares,
                    at::Tensor& not_finite) {
  FG_CHECK(gradient.is_contiguous());
  FG_CHECK(sum_of_squares.numel() == 1 && not_finite.numel() == 1);
  constexpr std::int64_t block_size = 4096;
  const std::int64_t count = gradient.numel();
  const std::int64_t blocks = (count + block_size - 1) / block_size;
  std::vector<double> sums(static_cast<std::size_t>(blocks));
  dispatch(gradient.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const T* const values = gradient.data_ptr<T>();
    for_rows(blocks, block_size, [&](std::int64_t block) {
      const std::int64_t first = block * block_size;
      sums[static_cast<std::size_t>(block)] =
          sum_of<double>(std::min(block_size, count - first), [&](std::int64_t index) {
            const double value = static_cast<double>(values[first + index]);
            return value * value;
          });
    });
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  *sum_of_squares.data_ptr<float>() = static_cast<float>(total);
  // The square of a finite fp32 is finite in fp64, and a bad term stays bad in a sum of squares.
  if (!std::isfinite(total)) *not_finite.data_ptr<std::int32_t>() = 1;
}

}  // namespace fg::ops
