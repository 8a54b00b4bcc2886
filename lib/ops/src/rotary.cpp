#include "fg/ops/rotary.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/sin.h>

#include <fg/base/failpoint.hpp>
#include <fg/device/transfer.hpp>

#include "cuda_ops.hpp"
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

/// The first `count` rows, to `row` and those after it.
void copy_rows(const Rotation& from, std::int64_t count, Rotation& to, std::int64_t row) {
  to.cosines.narrow(0, row, count).copy_(from.cosines.narrow(0, 0, count));
  to.sines.narrow(0, row, count).copy_(from.sines.narrow(0, 0, count));
}

bool runs_on() {
  static const bool planted = fault_planted("ops.positions_run_on");
  return planted;
}

void turn(at::Tensor& heads, const Rotation& rotation, bool backwards) {
  FG_CHECK(heads.dim() == 3);
  const std::int64_t half = heads.size(2) / 2;
  check_shape(rotation.cosines, {heads.size(0), half}, at::kFloat, "rotation cosines");
  check_shape(rotation.sines, {heads.size(0), half}, at::kFloat, "rotation sines");
  if (heads.is_cuda()) return cuda::turn(heads, rotation, backwards);
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
                           std::int64_t max_position_embeddings, at::Device device)
    : rope_(rope),
      head_dim_(head_dim),
      max_position_embeddings_(max_position_embeddings),
      device_(device) {
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
  const Rotation table =
      make_table(rotary_frequencies(rope_, head_dim_, max_position_embeddings_, used), rows);
  table_ = {device::upload(table.cosines, device_), device::upload(table.sines, device_)};
  length_ = rows;
  is_grown_ = grown;
  return table_;
}

Rotation RotaryTables::for_documents(const Documents& documents) {
  if (depends_on(documents.longest())) return for_each_document(documents);
  const Rotation& table = table_for(runs_on() ? documents.tokens() : documents.longest());
  at::Tensor positions = at::empty({documents.tokens()}, at::kLong);
  std::int64_t* position = positions.data_ptr<std::int64_t>();
  for (std::size_t index = 0; index + 1 < documents.starts().size(); ++index) {
    const std::int64_t start = documents.starts()[index];
    const std::int64_t length = documents.starts()[index + 1] - start;
    std::iota(position, position + length, runs_on() ? start : 0);
    position += length;
  }
  positions = device::upload(positions, device_);
  return {at::index_select(table.cosines, 0, positions),
          at::index_select(table.sines, 0, positions)};
}

Rotation RotaryTables::for_each_document(const Documents& documents) {
  const at::TensorOptions options = at::device(device_).dtype(at::kFloat);
  Rotation result{at::empty({documents.tokens(), head_dim_ / 2}, options),
                  at::empty({documents.tokens(), head_dim_ / 2}, options)};
  for (std::size_t index = 0; index + 1 < documents.starts().size(); ++index) {
    const std::int64_t start = documents.starts()[index];
    const std::int64_t length = documents.starts()[index + 1] - start;
    copy_rows(table_for(length), length, result, start);
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

void rotate_back_into(const at::Tensor& grad_q, const at::Tensor& grad_k, const at::Tensor& grad_v,
                      const Rotation& rotation, at::Tensor& grad_qkv) {
  FG_CHECK(grad_q.dim() == 3 && grad_k.dim() == 3);
  const at::ScalarType type = grad_qkv.scalar_type();
  const std::int64_t tokens = grad_q.size(0);
  const std::int64_t heads = grad_q.size(1);
  const std::int64_t kv_heads = grad_k.size(1);
  const std::int64_t head_dim = grad_q.size(2);
  check_shape(grad_qkv, {tokens, (heads + 2 * kv_heads) * head_dim}, type, "grad_qkv");
  check_shape(grad_q, {tokens, heads, head_dim}, type, "grad_q");
  check_shape(grad_k, {tokens, kv_heads, head_dim}, type, "grad_k");
  check_shape(grad_v, {tokens, kv_heads, head_dim}, type, "grad_v");
  check_shape(rotation.cosines, {tokens, head_dim / 2}, at::kFloat, "rotation cosines");
  check_shape(rotation.sines, {tokens, head_dim / 2}, at::kFloat, "rotation sines");
  if (grad_qkv.is_cuda()) return cuda::rotate_back_into(grad_q, grad_k, grad_v, rotation, grad_qkv);
  std::int64_t first = 0;
  for (const at::Tensor& from : {grad_q, grad_k, grad_v}) {
    const std::int64_t width = from.size(1) * head_dim;
    at::Tensor to = grad_qkv.narrow(1, first, width).view(from.sizes());
    if (to.data_ptr() != from.data_ptr()) to.copy_(from);
    if (first < (heads + kv_heads) * head_dim) turn(to, rotation, true);
    first += width;
  }
}

}  // namespace fg::ops
