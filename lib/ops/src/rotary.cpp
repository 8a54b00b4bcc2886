#include "fg/ops/rotary.hpp"

#include <algorithm>

#include <ATen/ops/arange.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/sin.h>

#include <fg/base/failpoint.hpp>

#include "kernel.hpp"

namespace fg::ops {
namespace {

/// The table is made for at least so many positions, and at least doubled when it has to grow.
constexpr std::int64_t smallest_table = 512;

Rotation make_table(const RotaryFrequencies& frequencies, std::int64_t positions) {
  const at::Tensor angles = at::outer(at::arange(positions, at::kFloat), frequencies.inverse);
  return {at::cos(angles).mul(frequencies.attention_factor),
          at::sin(angles).mul(frequencies.attention_factor)};
}

void copy_rows(const Rotation& from, std::int64_t first, std::int64_t count, Rotation& to,
               std::int64_t row) {
  to.cosines.narrow(0, row, count).copy_(from.cosines.narrow(0, first, count));
  to.sines.narrow(0, row, count).copy_(from.sines.narrow(0, first, count));
}

void turn(at::Tensor& heads, const Rotation& rotation, bool backwards) {
  FG_CHECK(heads.dim() == 3);
  const std::int64_t half = heads.size(2) / 2;
  check_shape(rotation.cosines, {heads.size(0), half}, at::kFloat, "rotation cosines");
  check_shape(rotation.sines, {heads.size(0), half}, at::kFloat, "rotation sines");
  const float* const cosines = rotation.cosines.data_ptr<float>();
  const float* const sines = rotation.sines.data_ptr<float>();
  const std::int64_t head_count = heads.size(1);
  dispatch(heads.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    using S = Sum<T>;
    const Rows<T> rows(heads);
    const S sign = backwards ? S{-1} : S{1};
    for_rows(rows.count(), 4 * half, [&](std::int64_t row) {
      const float* const cosine = cosines + row / head_count * half;
      const float* const sine = sines + row / head_count * half;
      T* const first = rows[row];
      T* const second = first + half;
      for (std::int64_t pair = 0; pair < half; ++pair) {
        const S c = static_cast<S>(cosine[pair]);
        const S s = sign * static_cast<S>(sine[pair]);
        const S a = static_cast<S>(first[pair]);
        const S b = static_cast<S>(second[pair]);
        first[pair] = static_cast<T>(a * c - b * s);
        second[pair] = static_cast<T>(b * c + a * s);
      }
    });
  });
}

}  // namespace

RotaryTables::RotaryTables(const arch::Rope& rope, std::int64_t head_dim,
                           std::int64_t max_position_embeddings)
    : rope_(rope), head_dim_(head_dim), max_position_embeddings_(max_position_embeddings) {
  FG_CHECK(head_dim >= 2 && head_dim % 2 == 0);
}

bool RotaryTables::depends_on(std::int64_t length) const {
  return rope_.kind == arch::RopeKind::dynamic && length > max_position_embeddings_;
}

const Rotation& RotaryTables::table_for(std::int64_t length) {
  const bool grown = depends_on(length);
  const bool fits = grown ? is_grown_ && length == length_ : !is_grown_ && length <= length_;
  if (fits) return table_;
  const std::int64_t rows =
      grown ? length : std::max({length, smallest_table, is_grown_ ? 0 : 2 * length_});
  const std::int64_t used = grown ? length : std::min(length, max_position_embeddings_);
  table_ = make_table(rotary_frequencies(rope_, head_dim_, max_position_embeddings_, used), rows);
  length_ = rows;
  is_grown_ = grown;
  return table_;
}

Rotation RotaryTables::for_documents(const Documents& documents) {
  static const bool runs_on = fault_planted("ops.positions_run_on");
  Rotation result{at::empty({documents.tokens(), head_dim_ / 2}, at::kFloat),
                  at::empty({documents.tokens(), head_dim_ / 2}, at::kFloat)};
  for (std::int64_t index = 0; index < documents.count(); ++index) {
    const auto at_index = static_cast<std::size_t>(index);
    const std::int64_t start = documents.starts()[at_index];
    const std::int64_t length = documents.starts()[at_index + 1] - start;
    const std::int64_t first = runs_on ? start : 0;
    copy_rows(table_for(first + length), first, length, result, start);
  }
  return result;
}

Rotation RotaryTables::for_positions(std::int64_t first, std::int64_t count) {
  const Rotation& table = table_for(first + count);
  return {table.cosines.narrow(0, first, count), table.sines.narrow(0, first, count)};
}

void rotate(at::Tensor& heads, const Rotation& rotation) {
  turn(heads, rotation, false);
}

void rotate_back(at::Tensor& heads, const Rotation& rotation) {
  turn(heads, rotation, true);
}

}  // namespace fg::ops
