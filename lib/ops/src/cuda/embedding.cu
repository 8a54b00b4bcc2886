#include "device.cuh"
#include "embedding_kernels.hpp"
#include "launch.hpp"

namespace fg::ops::kernels {
namespace {

constexpr int copied_packs = 2;   // of a thread
constexpr int summed_tokens = 8;  // under way at a time
constexpr int threads_of_sum = 128;

/// Block: one token.
template <typename P>
__global__ void __launch_bounds__(1024) look_up(const EmbeddingForward args) {
  using T = typename P::Type;
  const std::int64_t token = blockIdx.x;
  const std::int64_t units = args.width / P::count;
  const std::int64_t id = args.ids[token];
  const bool is_known = id >= 0 && id < args.vocab_size;
  const T* const from = row_at<const T>(args.weight, {is_known ? id : 0, 0});
  T* const to = row_at<T>(args.output, {token, 0});
#pragma unroll copied_packs
  for (std::int64_t unit = threadIdx.x; unit < units; unit += blockDim.x)
    store<P>(to, unit, is_known ? load<P>(from, unit) : typename P::Raw{});
}

/// Block: some columns of the tokens from the blockIdx.x-th in the order on that have its id;
/// nothing where the one before has it too.
template <typename P>
__global__ void __launch_bounds__(threads_of_sum) add_tokens(const EmbeddingBackward args) {
  using T = typename P::Type;
  using Raw = typename P::Raw;
  const std::int64_t first = blockIdx.x;
  const std::int64_t id = args.sorted_ids[first];
  if (id < 0 || id >= args.table_rows) return;
  if (first > 0 && args.sorted_ids[first - 1] == id) return;
  const std::int64_t unit = std::int64_t{blockIdx.y} * threads_of_sum + threadIdx.x;
  if (unit >= args.width / P::count) return;

  float sums[P::count] = {};
  bool goes_on = true;
  for (std::int64_t base = first; goes_on; base += summed_tokens) {
    Raw gradient[summed_tokens];
    bool belongs[summed_tokens];
#pragma unroll
    for (int index = 0; index < summed_tokens; ++index) {
      const std::int64_t at = base + index;
      belongs[index] = at < args.tokens && args.sorted_ids[at] == id;
      if (belongs[index])
        gradient[index] = load<P>(row_at<const T>(args.grad_output, {args.order[at], 0}), unit);
    }
#pragma unroll
    for (int index = 0; index < summed_tokens; ++index) {
      if (!belongs[index]) continue;
      float values[P::count];
      P::unpack(gradient[index], values);
#pragma unroll
      for (int at = 0; at < P::count; ++at) sums[at] += values[at];
    }
    goes_on = belongs[summed_tokens - 1];
  }
  T* const row = row_at<T>(args.grad_weight, {id, 0});
  float values[P::count];
  P::unpack(load<P>(row, unit), values);
#pragma unroll
  for (int at = 0; at < P::count; ++at) values[at] += sums[at];
  store<P>(row, unit, P::pack(values));
}

}  // namespace

cudaError_t embedding_forward(const EmbeddingForward& embedding, cudaStream_t stream) {
  if (embedding.tokens == 0 || embedding.width == 0) return cudaSuccess;
  const bool packed =
      fits_packs(embedding.element, embedding.width, {embedding.weight, embedding.output});
  return with_pack(embedding.element, packed, [&](auto pack) {
    using P = decltype(pack);
    const std::int64_t wanted = ceil_div(embedding.width / P::count, copied_packs);
    const std::int64_t threads = std::min<std::int64_t>(1024, ceil_div(wanted, 32) * 32);
    look_up<P>
        <<<static_cast<unsigned>(embedding.tokens), static_cast<unsigned>(threads), 0, stream>>>(
            embedding);
  });
}

cudaError_t embedding_backward(const EmbeddingBackward& embedding, cudaStream_t stream) {
  if (embedding.tokens == 0 || embedding.width == 0) return cudaSuccess;
  const bool packed = fits_packs(embedding.element, embedding.width,
                                 {embedding.grad_output, embedding.grad_weight});
  return with_pack(embedding.element, packed, [&](auto pack) {
    using P = decltype(pack);
    const dim3 grid(static_cast<unsigned>(embedding.tokens),
                    static_cast<unsigned>(ceil_div(embedding.width / P::count, threads_of_sum)));
    add_tokens<P><<<grid, threads_of_sum, 0, stream>>>(embedding);
  });
}

}  // namespace fg::ops::kernels
