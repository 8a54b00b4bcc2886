#include "adafactor.cuh"

namespace fg::optim::kernels {
namespace {

constexpr int rows_a_block = 1024;   // of statistics
constexpr int columns_a_block = 32;  // of statistics, by as many threads a column
constexpr int warps = 8;
constexpr int rows_a_warp = static_cast<int>(tile_rows) / warps;
static_assert(rows_a_block == columns_a_block * 32 && rows_a_warp == 8);
static_assert(tile_columns == 8 * 32);

/// One thread a row: R, and ΣR of the block. Every block adds the tiles' sums up for itself, so all
/// know whether the gradient is finite before one writes; the first writes it down.
__device__ void statistics_of_rows(const Adafactor& args, std::int64_t block) {
  bool stop = is_raised(args.target.flag);
  if (args.check_sum != nullptr) {
    const auto total = static_cast<float>(block_sum_of(args.tile_sums, args.tiles().count()));
    if (!isfinite(total)) stop = true;
    if (block == 0 && threadIdx.x == 0) {
      *args.check_sum = total;
      if (!isfinite(total)) *args.check_flag = 1;
    }
  }
  if (args.rule.relative_step && block == 0) {
    const double weights = block_sum_of(args.weight_sums, args.tiles().count());
    if (threadIdx.x == 0) args.sums[args.target.columns] = weights;
  }
  __shared__ double beta2;
  if (threadIdx.x == 0) beta2 = beta2_at(args.rule, *args.age + 1);
  // The flag may have been raised meanwhile, by the first block: then every block stops anyway, but
  // all threads of one must come to the same sums.
  if (__syncthreads_or(stop)) return;
  const std::int64_t row = block * rows_a_block + threadIdx.x;
  double fresh = 0;
  if (row < args.target.rows) {
    double sum = 0;
    for (std::int64_t k = 0; k < args.tiles().across(); ++k)
      sum += static_cast<double>(args.row_sums[k * args.target.rows + row]);
    const auto factor = static_cast<double>(gradient_factor(args.target));
    sum = factor * factor * sum + static_cast<double>(args.target.columns) * args.rule.eps_square;
    const float r = blend(args.row[row], sum, beta2);
    args.row[row] = r;
    fresh = static_cast<double>(r);
  }
  const double total = block_sum(fresh);
  if (threadIdx.x == 0) args.row_totals[block] = total;
}

/// Σ over rows of U for 32 columns: 32 threads a column take every 32nd row of tiles.
__device__ void sums_of_columns(const Adafactor& args, std::int64_t block) {
  const int lane = static_cast<int>(threadIdx.x) % 32, slice = static_cast<int>(threadIdx.x) / 32;
  const std::int64_t column = block * columns_a_block + lane;
  const std::int64_t down = args.tiles().down() - (args.column_sums_short ? 1 : 0);
  double sum = 0;
  if (column < args.target.columns)
    for (std::int64_t k = slice; k < down; k += 32)
      sum += static_cast<double>(args.column_sums[k * args.target.columns + column]);
  __shared__ double slices[32][33];
  slices[slice][lane] = sum;
  __syncthreads();
  // Turned around: the warp's lanes are now the slices of one column.
  const double total = warp_sum(slices[lane][slice]);
  const std::int64_t mine = block * columns_a_block + slice;
  if (lane != 0 || mine >= args.target.columns) return;
  const auto factor = static_cast<double>(gradient_factor(args.target));
  args.sums[mine] =
      factor * factor * total + static_cast<double>(args.target.rows) * args.rule.eps_square;
}

__global__ void __launch_bounds__(1024) statistics_kernel(const Adafactor args) {
  const std::int64_t row_blocks = (args.target.rows + rows_a_block - 1) / rows_a_block;
  if (blockIdx.x < row_blocks) {
    statistics_of_rows(args, blockIdx.x);
  } else {
    sums_of_columns(args, blockIdx.x - row_blocks);
  }
}

/// C, and the factors of rows and columns. The rows' hold the gradient's factor, too.
__global__ void __launch_bounds__(256) factors_kernel(const Adafactor args) {
  if (is_raised(args.target.flag)) return;
  const std::int64_t row_blocks = (args.target.rows + 255) / 256;
  if (blockIdx.x < row_blocks) {
    const double total =
        block_sum_of(args.row_totals, (args.target.rows + rows_a_block - 1) / rows_a_block);
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * 256 + threadIdx.x;
    if (row < args.target.rows)
      args.row_factors[row] = gradient_factor(args.target) * inverse_root(total, args.row[row]);
    return;
  }
  __shared__ double beta2;
  if (threadIdx.x == 0) beta2 = beta2_at(args.rule, *args.age + 1);
  __syncthreads();
  const std::int64_t column = (blockIdx.x - row_blocks) * 256 + threadIdx.x;
  if (column >= args.target.columns) return;
  const float c = blend(args.column[column], args.sums[column], beta2);
  args.column[column] = c;
  args.column_factors[column] = inverse_root(1, c);
}

/// Where a thread of a tile is at work: eight columns of eight rows.
struct Place {
  std::int64_t row;
  std::int64_t column;
  int count;  // of columns, 0 to 8

  __device__ Place(const Target& target, std::int64_t tile) {
    const std::int64_t across = Tiles{target.rows, target.columns}.across();
    row = tile / across * tile_rows + threadIdx.x / 32 * rows_a_warp;
    column = tile % across * tile_columns + threadIdx.x % 32 * 8;
    const std::int64_t left = target.columns - column;
    count = left < 8 ? (left < 0 ? 0 : static_cast<int>(left)) : 8;
  }
};

/// u of one row.
__device__ inline void scale(float row_factor, const float (&column_factors)[8], float (&g)[8]) {
#pragma unroll
  for (int j = 0; j < 8; ++j) g[j] = g[j] * row_factor * column_factors[j];
}

template <bool Vector>
__device__ inline void load_column_factors(const Adafactor& args, const Place& at, float (&to)[8]) {
  Eight<float> raw = {};
  if (at.count > 0) raw = load_eight<Vector>(args.column_factors + at.column, at.count);
  unpack(raw, to);
}

// Tiles go backwards: the end of the gradient was read last, and what the cache still holds of it
// need not be read again.
template <typename G, bool Vector>
__global__ void __launch_bounds__(32 * warps) measure_update_kernel(const Adafactor args) {
  if (is_raised(args.target.flag)) return;
  const std::int64_t tile = gridDim.x - 1 - blockIdx.x;
  const Place at(args.target, tile);
  const G* from = static_cast<const G*>(args.target.gradient.data) +
                  at.row * args.target.gradient.stride + at.column;
  Eight<G> raw[rows_a_warp] = {};
  float row_factors[rows_a_warp] = {};
#pragma unroll
  for (int i = 0; i < rows_a_warp; ++i)
    if (at.count > 0 && at.row + i < args.target.rows) {
      raw[i] = load_eight<Vector>(from + i * args.target.gradient.stride, at.count);
      row_factors[i] = args.row_factors[at.row + i];
    }
  float column_factors[8];
  load_column_factors<Vector>(args, at, column_factors);
  double sum = 0;
#pragma unroll
  for (int i = 0; i < rows_a_warp; ++i) {
    float u[8];
    unpack(raw[i], u);
    scale(row_factors[i], column_factors, u);
    float part = 0;
#pragma unroll
    for (int j = 0; j < 8; ++j) part = fmaf(u[j], u[j], part);
    sum += static_cast<double>(part);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) args.tile_sums[tile] = sum;
}

__global__ void __launch_bounds__(1024) finish_measure_kernel(const Adafactor args) {
  const double sum = block_sum_of(args.tile_sums, args.tiles().count());
  if (threadIdx.x == 0) args.sums[args.target.columns + 1] = sum;
}

template <typename P, typename G, bool Vector>
__global__ void __launch_bounds__(32 * warps) apply_kernel(const Adafactor args) {
  constexpr int at_once = 4;
  if (is_raised(args.target.flag)) return;
  const Target& target = args.target;
  const Place at(target, blockIdx.x);
  __shared__ StepSize shared_size;
  if (threadIdx.x == 0) {
    shared_size = step_size(args.rule, args.rule.relative_step ? args.sums[target.columns] : 0,
                            args.sums[target.columns + 1]);
    if (blockIdx.x == 0 && !args.age_kept) ++*args.age;  // the earlier phases have read it
  }
  float column_factors[8];
  load_column_factors<Vector>(args, at, column_factors);
  __syncthreads();
  const StepSize size = shared_size;
  if (at.count == 0) return;
  const G* gradient = static_cast<const G*>(target.gradient.data) + at.column;
  P* values = static_cast<P*>(target.values.data) + at.column;
  for (int begin = 0; begin < rows_a_warp; begin += at_once) {
    Eight<G> raw_g[at_once] = {};
    Eight<P> raw_p[at_once] = {};
#pragma unroll
    for (int i = 0; i < at_once; ++i) {
      const std::int64_t row = at.row + begin + i;
      if (row >= target.rows) continue;
      raw_g[i] = load_eight<Vector>(gradient + row * target.gradient.stride, at.count);
      raw_p[i] = load_eight<Vector>(values + row * target.values.stride, at.count);
    }
#pragma unroll
    for (int i = 0; i < at_once; ++i) {
      const std::int64_t row = at.row + begin + i;
      if (row >= target.rows) continue;
      float u[8], p[8];
      unpack(raw_g[i], u);
      unpack(raw_p[i], p);
      scale(args.row_factors[row], column_factors, u);
#pragma unroll
      for (int j = 0; j < 8; ++j) p[j] -= size.decay * p[j] + size.update * u[j];
      const std::uint64_t index =
          target.first + static_cast<std::uint64_t>(row * target.columns + at.column);
      store_eight<Vector>(values + row * target.values.stride, at.count,
                          pack<Vector, P>(p, target.rounding, index));
    }
  }
}

}  // namespace

std::int64_t adafactor_row_totals(std::int64_t rows) {
  return (rows + rows_a_block - 1) / rows_a_block;
}

cudaError_t adafactor_statistics(const Adafactor& args, cudaStream_t stream) {
  const Target& target = args.target;
  const Measure gradient{args.tiles(),   target.gradient, target.by_eights,
                         args.tile_sums, args.row_sums,   args.column_sums};
  cudaError_t error = measure(gradient, stream);
  if (error != cudaSuccess) return error;
  if (args.rule.relative_step) {
    const Measure weights{args.tiles(),     target.values, target.by_eights,
                          args.weight_sums, nullptr,       nullptr};
    error = measure(weights, stream);
    if (error != cudaSuccess) return error;
  }
  const std::int64_t blocks =
      adafactor_row_totals(target.rows) + (target.columns + columns_a_block - 1) / columns_a_block;
  statistics_kernel<<<static_cast<unsigned>(blocks), 1024, 0, stream>>>(args);
  return cudaGetLastError();
}

cudaError_t adafactor_measure_update(const Adafactor& args, cudaStream_t stream) {
  const std::int64_t blocks = (args.target.rows + 255) / 256 + (args.target.columns + 255) / 256;
  factors_kernel<<<static_cast<unsigned>(blocks), 256, 0, stream>>>(args);
  const cudaError_t error = with_type(args.target.gradient.type, [&](auto gradient) {
    return with_bool(args.target.by_eights, [&](auto vector) {
      measure_update_kernel<decltype(gradient), decltype(vector)::value>
          <<<static_cast<unsigned>(args.tiles().count()), 32 * warps, 0, stream>>>(args);
      return cudaGetLastError();
    });
  });
  if (error != cudaSuccess) return error;
  finish_measure_kernel<<<1, 1024, 0, stream>>>(args);
  return cudaGetLastError();
}

cudaError_t adafactor_apply(const Adafactor& args, cudaStream_t stream) {
  return with_type(args.target.values.type, [&](auto value) {
    return with_type(args.target.gradient.type, [&](auto gradient) {
      return with_bool(args.target.by_eights, [&](auto vector) {
        apply_kernel<decltype(value), decltype(gradient), decltype(vector)::value>
            <<<static_cast<unsigned>(args.tiles().count()), 32 * warps, 0, stream>>>(args);
        return cudaGetLastError();
      });
    });
  });
}

}  // namespace fg::optim::kernels
