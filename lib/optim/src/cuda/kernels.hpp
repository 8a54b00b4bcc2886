#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include <fg/base/philox.hpp>

// What the kernels of this library are given, and their launchers: raw pointers of one GPU. No
// launcher allocates or waits.
namespace fg::optim::kernels {

enum class Element { float32, bfloat16 };

/// Rows of contiguous elements, `stride` elements apart.
struct Rows {
  void* data = nullptr;
  Element type = Element::float32;
  std::int64_t stride = 0;
};

/// How a float32 becomes a bfloat16.
struct Rounding {
  RandomStream stream;
  bool stochastic = false;
  std::uint32_t planted = 0;  // all ones: a planted fault, never away from zero
};

/// The piece of a parameter that an update works on.
struct Target {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::uint64_t first = 0;  // logical index of its first element
  Rows values;
  Rows gradient;
  /// Elements can be taken by eights: each row is whole groups of eight, which begin at 16-byte
  /// boundaries and at logical indices that are multiples of eight.
  bool by_eights = false;
  float factor = 1;                      // of gradients
  const float* device_factor = nullptr;  // read instead of `factor`
  const std::int32_t* flag = nullptr;    // nothing is written while it is not 0
  Rounding rounding;
};

/// Matrices are measured in tiles of so many rows and columns, in an order that is the shape's.
inline constexpr std::int64_t tile_rows = 64;
inline constexpr std::int64_t tile_columns = 256;

struct Tiles {
  std::int64_t rows = 0;     // of the matrix
  std::int64_t columns = 0;  // of the matrix

  constexpr std::int64_t down() const { return (rows + tile_rows - 1) / tile_rows; }
  constexpr std::int64_t across() const { return (columns + tile_columns - 1) / tile_columns; }
  constexpr std::int64_t count() const { return down() * across(); }
};

/// One pass over a matrix x.
struct Measure {
  Tiles tiles;
  Rows x;
  bool by_eights = false;
  double* tile_sums = nullptr;  // [tiles]: Σx² of each
  /// Σx² of each row inside a tile [tiles across, rows], and of each column inside a tile
  /// [tiles down, columns]; both or neither.
  float* row_sums = nullptr;
  float* column_sums = nullptr;
};
cudaError_t measure(const Measure& args, cudaStream_t stream);

/// Adds the tiles' sums up into `sum`; raises the flag where that is not finite.
cudaError_t finish_check(const double* tile_sums, std::int64_t tiles, float* sum,
                         std::int32_t* flag, cudaStream_t stream);

struct Clip {
  const float* sums = nullptr;
  const std::int64_t* order = nullptr;
  std::int64_t count = 0;
  double clip_norm = 0;
  double* norm = nullptr;
  float* factor = nullptr;
  std::int32_t* flag = nullptr;
};
cudaError_t clip(const Clip& args, cudaStream_t stream);

}  // namespace fg::optim::kernels
