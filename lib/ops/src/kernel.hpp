#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <type_traits>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <fg/base/error.hpp>

// What the CPU kernels of this library share.
namespace fg::ops {

/// The type sums are kept in: fp64 for fp64, else fp32.
template <typename T>
using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;

inline at::ScalarType sum_type(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

/// Calls `body` with a zero of the C++ type.
template <typename Body>
void dispatch(at::ScalarType type, Body&& body) {
  if (type == at::kFloat) return body(float{});
  if (type == at::kDouble) return body(double{});
  if (type == at::kBFloat16) return body(c10::BFloat16{});
  if (type == at::kHalf) return body(c10::Half{});
  fail(ExitCode::bug, std::string("operation on ") + c10::toString(type) +
                          ", wanted float32, float64, bfloat16 or float16");
}

/// Elements that a thread should have at least, so that starting it is worth it.
constexpr std::int64_t work_per_thread = 16384;

/// Calls body(row) for each row, in parallel; `cost` is about the elements touched by one row.
template <typename Body>
void for_rows(std::int64_t rows, std::int64_t cost, const Body& body) {
  const std::int64_t grain = work_per_thread / (cost > 0 ? cost : 1) + 1;
  at::parallel_for(0, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) body(row);
  });
}

/// Sum of term(0) … term(count - 1) in a fixed order: 16 running sums, then their tree. The order
/// does not depend on threads, and its error grows with count / 16.
template <typename S, typename Term>
S sum_of(std::int64_t count, const Term& term) {
  constexpr std::int64_t lanes = 16;
  std::array<S, lanes> sums{};
  const std::int64_t whole = count / lanes * lanes;
  for (std::int64_t base = 0; base < whole; base += lanes)
    for (std::int64_t lane = 0; lane < lanes; ++lane)
      sums[static_cast<std::size_t>(lane)] += term(base + lane);
  for (std::int64_t index = whole; index < count; ++index)
    sums[static_cast<std::size_t>(index - whole)] += term(index);
  for (std::size_t half = lanes / 2; half > 0; half /= 2)
    for (std::size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  return sums[0];
}

/// The rows of a tensor [tokens, width] or [tokens, heads, width] whose last dimension is
/// contiguous: row r is head r % heads of token r / heads.
template <typename T>
class Rows {
public:
  explicit Rows(const at::Tensor& tensor)
      : data_(tensor.data_ptr<T>()),
        heads_(tensor.dim() == 3 ? tensor.size(1) : 1),
        count_(tensor.size(0) * heads_),
        width_(tensor.size(-1)),
        token_stride_(tensor.stride(0)),
        head_stride_(tensor.dim() == 3 ? tensor.stride(1) : 0) {
    FG_CHECK(tensor.dim() == 2 || tensor.dim() == 3);
    FG_CHECK(width_ <= 1 || tensor.stride(-1) == 1);
  }

  std::int64_t count() const noexcept { return count_; }
  std::int64_t width() const noexcept { return width_; }
  T* operator[](std::int64_t row) const noexcept {
    return data_ + row / heads_ * token_stride_ + row % heads_ * head_stride_;
  }

private:
  T* data_;
  std::int64_t heads_;
  std::int64_t count_;
  std::int64_t width_;
  std::int64_t token_stride_;
  std::int64_t head_stride_;
};

/// sums[c] = Σ term(row, c) over the rows, for columns [0, width): within blocks of 64 rows in row
/// order, then the blocks in their order. Parallel over columns, so threads change nothing.
/// `term(row, column, count, block)` adds the row's terms of `count` columns to `block`.
template <typename S, typename AddRow, typename Store>
void column_sums(std::int64_t rows, std::int64_t width, const AddRow& add_row, const Store& store) {
  constexpr std::int64_t stripe = 64;
  constexpr std::int64_t block_rows = 64;
  for_rows((width + stripe - 1) / stripe, rows * stripe, [&](std::int64_t index) {
    const std::int64_t first = index * stripe;
    const std::int64_t count = width - first < stripe ? width - first : stripe;
    std::array<S, stripe> total{};
    for (std::int64_t begin = 0; begin < rows; begin += block_rows) {
      std::array<S, stripe> block{};
      const std::int64_t end = rows - begin < block_rows ? rows : begin + block_rows;
      for (std::int64_t row = begin; row < end; ++row) add_row(row, first, count, block.data());
      for (std::size_t column = 0; column < stripe; ++column) total[column] += block[column];
    }
    for (std::int64_t column = 0; column < count; ++column)
      store(first + column, total[static_cast<std::size_t>(column)]);
  });
}

inline void check_shape(const at::Tensor& tensor, at::IntArrayRef shape, at::ScalarType type,
                        const char* name) {
  if (tensor.defined() && tensor.sizes() == shape && tensor.scalar_type() == type) return;
  std::string text = std::string(name) + " is ";
  if (!tensor.defined()) fail(ExitCode::bug, text + "undefined");
  const auto shown = [](at::IntArrayRef sizes) {
    std::string words = "[";
    for (const std::int64_t size : sizes)
      words += (words.size() > 1 ? ", " : "") + std::to_string(size);
    return words + "]";
  };
  fail(ExitCode::bug, text + c10::toString(tensor.scalar_type()) + " " + shown(tensor.sizes()) +
                          ", wanted " + c10::toString(type) + " " + shown(shape));
}

}  // namespace fg::ops
