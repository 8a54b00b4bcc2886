#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "element.hpp"

// How the launchers cut their work; on the host.
namespace fg::ops::kernels {

/// Elements of 16 bytes.
constexpr std::int64_t pack_count(Element element) {
  return element == Element::bfloat16 ? 8 : 4;
}

/// True where every row of these begins at a multiple of 16 bytes and `width` elements are whole
/// packs.
inline bool fits_packs(Element element, std::int64_t width, std::initializer_list<Rows> all) {
  const std::int64_t count = pack_count(element);
  if (width % count != 0) return false;
  return std::all_of(all.begin(), all.end(), [count](const Rows& rows) {
    return reinterpret_cast<std::uintptr_t>(rows.data) % 16 == 0 &&
           rows.token_stride % count == 0 && rows.head_stride % count == 0;
  });
}

inline Rows rows_at(const void* data) {
  return {const_cast<void*>(data), 0, 0};
}

constexpr std::int64_t ceil_div(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

/// Threads that share a row, threads of a block.
struct RowShape {
  int lanes = 0;
  int threads = 0;

  std::int64_t rows() const { return threads / lanes; }  // that a block takes at a time
};

/// So that each lane has about `held` of a row's `units`.
inline RowShape shape_of(std::int64_t units, std::int64_t held) {
  if (units <= 32 * held) {
    int lanes = 1;
    while (lanes < units && lanes < 32) lanes *= 2;
    return {lanes, 256};
  }
  const std::int64_t lanes = std::min<std::int64_t>(1024, ceil_div(ceil_div(units, held), 32) * 32);
  return {static_cast<int>(lanes), static_cast<int>(lanes)};
}

/// Multiprocessors that work is cut for: those of an H100 or H200. A constant, so that the order of
/// sums does not depend on the GPU.
constexpr std::int64_t multiprocessors = 132;

}  // namespace fg::ops::kernels
