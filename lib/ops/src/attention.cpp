#include "fg/ops/attention.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <fg/base/failpoint.hpp>

#include "cuda_attention.hpp"
#include "kernel.hpp"

namespace fg::ops {
namespace {

/// Query rows of a tile under a sliding window. Below 512, the keys the kernel takes at a time, so
/// that no query's first block of keys is masked away whole.
constexpr std::int64_t tile_rows = 256;

/// Queries [first, first + rows) of a sequence, the keys they may see, and what says which.
struct Tile {
  std::int64_t first_query = 0;
  std::int64_t queries = 0;
  std::int64_t first_key = 0;
  std::int64_t keys = 0;
  bool is_causal = false;  // the mask is the plain triangle; none is given
};

/// Cuts the last `queries` of `keys` tokens into tiles; one tile where no window bites.
template <typename Body>
void for_tiles(std::int64_t queries, std::int64_t keys, std::optional<std::int64_t> window,
               const Body& body) {
  static const bool too_far = fault_planted("ops.window_one_too_far");
  const bool is_whole = !window || keys <= *window;
  if (is_whole && queries == keys) return body(Tile{0, queries, 0, keys, true});
  const std::int64_t past = keys - queries;
  for (std::int64_t first = 0; first < queries; first += tile_rows) {
    const std::int64_t rows = std::min(tile_rows, queries - first);
    const std::int64_t reach = window ? *window - (too_far ? 0 : 1) : keys;
    const std::int64_t first_key = std::max<std::int64_t>(0, past + first - reach);
    body(Tile{first, rows, first_key, past + first + rows - first_key, false});
  }
}

/// [queries, keys] of 0 and -infinity; undefined where nothing is to be masked.
at::Tensor mask_of(const Tile& tile, std::int64_t past, std::optional<std::int64_t> window,
                   at::ScalarType type) {
  if (tile.is_causal || tile.queries == 1) return {};
  static const bool too_far = fault_planted("ops.window_one_too_far");
  const at::Tensor mask = at::empty({tile.queries, tile.keys}, at::kFloat);
  float* const values = mask.data_ptr<float>();
  for (std::int64_t row = 0; row < tile.queries; ++row) {
    const std::int64_t query = past + tile.first_query + row;
    const std::int64_t oldest = window ? query - *window + (too_far ? 0 : 1) : 0;
    for (std::int64_t column = 0; column < tile.keys; ++column) {
      const std::int64_t key = tile.first_key + column;
      const bool is_seen = key >= oldest && key <= query;
      values[row * tile.keys + column] = is_seen ? 0.0F : -std::numeric_limits<float>::infinity();
    }
  }
  return mask.to(type);
}

std::optional<at::Tensor> maybe(const at::Tensor& mask) {
  return mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt;
}

/// [tokens, heads, width] as the kernels want it: [1, heads, tokens, width].
at::Tensor heads_first(const at::Tensor& tensor, std::int64_t first, std::int64_t count) {
  return tensor.narrow(0, first, count).transpose(0, 1).unsqueeze(0);
}

/// [tokens, heads] as [1, heads, tokens].
at::Tensor sums_first(const at::Tensor& tensor, std::int64_t first, std::int64_t count) {
  return tensor.narrow(0, first, count).t().unsqueeze(0);
}

struct Inputs {
  at::Tensor q;
  at::Tensor k;
  at::Tensor v;
};

/// One sequence; `log_sum` undefined where it is not wanted.
void forward_sequence(const Inputs& in, const AttentionOptions& options, const at::Tensor& output,
                      const at::Tensor& log_sum) {
  const std::int64_t queries = in.q.size(0);
  const std::int64_t keys = in.k.size(0);
  for_tiles(queries, keys, options.window, [&](const Tile& tile) {
    const at::Tensor mask = mask_of(tile, keys - queries, options.window, in.q.scalar_type());
    const auto [result, sums] = at::_scaled_dot_product_flash_attention_for_cpu(
        heads_first(in.q, tile.first_query, tile.queries),
        heads_first(in.k, tile.first_key, tile.keys), heads_first(in.v, tile.first_key, tile.keys),
        0.0, tile.is_causal, maybe(mask), options.scale);
    heads_first(output, tile.first_query, tile.queries).copy_(result);
    if (log_sum.defined()) sums_first(log_sum, tile.first_query, tile.queries).copy_(sums);
  });
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> backward_tile(
    const Tile& tile, const at::Tensor& grad_output, const Inputs& in, const at::Tensor& output,
    const at::Tensor& log_sum, const AttentionOptions& options) {
  const at::Tensor mask = mask_of(tile, 0, options.window, in.q.scalar_type());
  return at::_scaled_dot_product_flash_attention_for_cpu_backward(
      heads_first(grad_output, tile.first_query, tile.queries),
      heads_first(in.q, tile.first_query, tile.queries),
      heads_first(in.k, tile.first_key, tile.keys), heads_first(in.v, tile.first_key, tile.keys),
      heads_first(output, tile.first_query, tile.queries),
      sums_first(log_sum, tile.first_query, tile.queries), 0.0, tile.is_causal, maybe(mask),
      options.scale);
}

AttentionGradients backward_sequence(const at::Tensor& grad_output, const Inputs& in,
                                     const AttentionResult& result,
                                     const AttentionOptions& options) {
  const std::int64_t tokens = in.q.size(0);
  const auto tokens_first = [](const at::Tensor& heads) {
    return heads.squeeze(0).transpose(0, 1);
  };
  if (!options.window || tokens <= *options.window) {
    const Tile whole{0, tokens, 0, tokens, true};
    const auto [q, k, v] =
        backward_tile(whole, grad_output, in, result.output, result.log_sum, options);
    return {tokens_first(q), tokens_first(k), tokens_first(v)};
  }
  const at::ScalarType wide = sum_type(in.q.scalar_type());
  const at::Tensor grad_q = at::empty(in.q.sizes(), in.q.options());
  const at::Tensor sum_k = at::zeros(in.k.sizes(), wide);
  const at::Tensor sum_v = at::zeros(in.v.sizes(), wide);
  for_tiles(tokens, tokens, options.window, [&](const Tile& tile) {
    const auto [q, k, v] =
        backward_tile(tile, grad_output, in, result.output, result.log_sum, options);
    heads_first(grad_q, tile.first_query, tile.queries).copy_(q);
    heads_first(sum_k, tile.first_key, tile.keys).add_(k);
    heads_first(sum_v, tile.first_key, tile.keys).add_(v);
  });
  const at::ScalarType type = in.k.scalar_type();
  return {grad_q, sum_k.to(type), sum_v.to(type)};
}

/// Calls body(first, count) for each document that has tokens.
template <typename Body>
void for_documents(const Documents& documents, const Body& body) {
  static const bool leaks = fault_planted("ops.documents_leak");
  if (leaks && documents.tokens() > 0) return body(std::int64_t{0}, documents.tokens());
  for (std::int64_t index = 0; index < documents.count(); ++index) {
    const auto at_index = static_cast<std::size_t>(index);
    const std::int64_t first = documents.starts()[at_index];
    const std::int64_t count = documents.starts()[at_index + 1] - first;
    if (count > 0) body(first, count);
  }
}

void check_inputs(const Inputs& in, const AttentionOptions& options) {
  const at::ScalarType type = in.q.scalar_type();
  FG_CHECK(in.q.dim() == 3 && in.k.dim() == 3);
  FG_CHECK(in.k.size(1) > 0 && in.q.size(1) % in.k.size(1) == 0);
  check_shape(in.k, {in.k.size(0), in.k.size(1), in.q.size(2)}, type, "attention k");
  check_shape(in.v, in.k.sizes(), type, "attention v");
  FG_CHECK(!options.window || *options.window > 0);
}

Inputs narrowed(const Inputs& in, std::int64_t first, std::int64_t count) {
  return {in.q.narrow(0, first, count), in.k.narrow(0, first, count), in.v.narrow(0, first, count)};
}

}  // namespace

AttentionResult attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const Documents& documents, const AttentionOptions& options) {
  const Inputs in{q, k, v};
  check_inputs(in, options);
  FG_CHECK(q.size(0) == documents.tokens() && k.size(0) == documents.tokens());
  if (q.is_cuda()) return cuda::attention_forward(q, k, v, documents, options);
  AttentionResult result;
  result.output = at::empty(q.sizes(), q.options());
  result.log_sum = at::empty({q.size(0), q.size(1)}, sum_type(q.scalar_type()));
  for_documents(documents, [&](std::int64_t first, std::int64_t count) {
    forward_sequence(narrowed(in, first, count), options, result.output.narrow(0, first, count),
                     result.log_sum.narrow(0, first, count));
  });
  return result;
}

AttentionGradients attention_backward(const at::Tensor& grad_output, const at::Tensor& q,
                                      const at::Tensor& k, const at::Tensor& v,
                                      const AttentionResult& result, const Documents& documents,
                                      const AttentionOptions& options) {
  const Inputs in{q, k, v};
  check_inputs(in, options);
  FG_CHECK(q.size(0) == documents.tokens() && k.size(0) == documents.tokens());
  check_shape(grad_output, q.sizes(), q.scalar_type(), "attention grad_output");
  check_shape(result.output, q.sizes(), q.scalar_type(), "attention output");
  if (q.is_cuda())
    return cuda::attention_backward(grad_output, q, k, v, result, documents, options);
  AttentionGradients all;
  const auto allocate = [&all](const Inputs& like) {
    all.q = at::empty(like.q.sizes(), like.q.options());
    all.k = at::empty(like.k.sizes(), like.k.options());
    all.v = at::empty(like.v.sizes(), like.v.options());
  };
  for_documents(documents, [&](std::int64_t first, std::int64_t count) {
    const AttentionResult own{result.output.narrow(0, first, count),
                              result.log_sum.narrow(0, first, count)};
    const AttentionGradients part = backward_sequence(grad_output.narrow(0, first, count),
                                                      narrowed(in, first, count), own, options);
    if (count == documents.tokens()) {
      all = part;  // the one document: no copy
      return;
    }
    if (!all.q.defined()) allocate(in);
    all.q.narrow(0, first, count).copy_(part.q);
    all.k.narrow(0, first, count).copy_(part.k);
    all.v.narrow(0, first, count).copy_(part.v);
  });
  if (!all.q.defined()) allocate(in);
  return all;
}

void attention_cached(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const AttentionOptions& options, at::Tensor& output) {
  const Inputs in{q, k, v};
  check_inputs(in, options);
  FG_CHECK(q.size(0) <= k.size(0));
  check_shape(output, q.sizes(), q.scalar_type(), "attention output");
  if (q.is_cuda()) return cuda::attention_cached(q, k, v, options, output);
  forward_sequence(in, options, output, {});
}

}  // namespace fg::ops
