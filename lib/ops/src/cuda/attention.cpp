#include <cmath>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

#include <ATen/Context.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/_scaled_dot_product_cudnn_attention.h>
#include <ATen/ops/_scaled_dot_product_cudnn_attention_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/randn_like.h>

#include <fg/base/error.hpp>
#include <fg/device/cuda_call.hpp>

#include "../cuda_attention.hpp"

namespace fg::ops::cuda {
namespace {

/// Rows of one length without packing, as cuDNN takes them.
struct Dense {
  std::int64_t rows = 0;
  std::int64_t length = 0;
  double scale = 1.0;
};

struct Heads {
  at::Tensor q;
  at::Tensor k;
  at::Tensor v;
};

at::Tensor unused_words(const at::Tensor& like) {
  return at::empty({2}, like.options().dtype(at::kUInt64));
}

std::optional<std::int64_t> window_before(const AttentionOptions& options) {
  if (!options.window) return std::nullopt;
  return *options.window - 1;
}

std::optional<std::int64_t> window_after(const AttentionOptions& options) {
  if (!options.window) return std::nullopt;
  return 0;
}

AttentionResult flash_forward(const Heads& in, const Documents& documents,
                              const AttentionOptions& options) {
  const at::Tensor& starts = documents.placed_starts();
  auto [output, log_sum, seed, offset, mask] = at::_flash_attention_forward(
      in.q, in.k, in.v, starts, starts, documents.longest(), documents.longest(), 0.0,
      /*is_causal=*/true, false, options.scale, window_before(options), window_after(options));
  return {output, log_sum};
}

AttentionGradients flash_backward(const at::Tensor& grad_output, const Heads& in,
                                  const AttentionResult& result, const Documents& documents,
                                  const AttentionOptions& options) {
  const at::Tensor& starts = documents.placed_starts();
  const at::Tensor words = unused_words(in.q);
  auto [q, k, v] = at::_flash_attention_backward(
      grad_output, in.q, in.k, in.v, result.output, result.log_sum, starts, starts,
      documents.longest(), documents.longest(), 0.0, /*is_causal=*/true, words, words,
      options.scale, window_before(options), window_after(options));
  return {q, k, v};
}

/// [rows · length, heads, width] as [rows, heads, length, width].
at::Tensor by_row(const at::Tensor& tensor, const Dense& dense) {
  return tensor.unflatten(0, {dense.rows, dense.length}).transpose(1, 2);
}

at::Tensor by_token(const at::Tensor& tensor) {
  return tensor.transpose(1, 2).flatten(0, 1);
}

AttentionResult cudnn_forward(const Heads& in, const Dense& dense) {
  auto result = at::_scaled_dot_product_cudnn_attention(
      by_row(in.q, dense), by_row(in.k, dense), by_row(in.v, dense), {},
      /*compute_log_sumexp=*/true, 0.0, /*is_causal=*/true, false, dense.scale);
  return {by_token(std::get<0>(result)), std::get<1>(result)};
}

AttentionGradients cudnn_backward(const at::Tensor& grad_output, const Heads& in,
                                  const AttentionResult& result, const Dense& dense) {
  const at::Tensor none = at::empty({}, in.q.options().dtype(at::kLong));
  auto [q, k, v] = at::_scaled_dot_product_cudnn_attention_backward(
      by_row(grad_output, dense), by_row(in.q, dense), by_row(in.k, dense), by_row(in.v, dense),
      by_row(result.output, dense), result.log_sum, none, none, {}, {}, {}, dense.length,
      dense.length, 0.0, /*is_causal=*/true, dense.scale);
  return {by_token(q), by_token(k), by_token(v)};
}

/// ‖left − right‖ over ‖right‖.
double distance(const at::Tensor& left, const at::Tensor& right) {
  const at::Tensor difference = left.to(at::kFloat).sub_(right);
  device::count_wait();
  return at::linalg_vector_norm(difference).item<double>() /
         (at::linalg_vector_norm(right, 2, {}, false, at::kFloat).item<double>() + 1e-30);
}

/// True where cuDNN gives flash's output and three gradients on these very tensors. LibTorch's
/// cuDNN path has been wrong on some shapes; what it refuses throws.
bool agrees_with_flash(const Heads& in, const Documents& documents, const AttentionOptions& options,
                       const Dense& dense) {
  constexpr double most = 0.02;  // both round to bfloat16: 2⁻⁸ an element, less over a norm
  try {
    const AttentionResult flash = flash_forward(in, documents, options);
    const AttentionResult cudnn = cudnn_forward(in, dense);
    const at::Tensor gradient = at::randn_like(flash.output);
    const AttentionGradients wanted = flash_backward(gradient, in, flash, documents, options);
    const AttentionGradients found = cudnn_backward(gradient, in, cudnn, dense);
    return distance(cudnn.output, flash.output) <= most && distance(found.q, wanted.q) <= most &&
           distance(found.k, wanted.k) <= most && distance(found.v, wanted.v) <= most;
  } catch (const c10::Error&) {
    return false;
  }
}

/// What is known of a shape of dense rows.
struct Sightings {
  std::uint64_t last = 0;  // number of the last batch
  int batches = 0;
  std::optional<bool> agrees;  // where it was tried
};

/// True where cuDNN is to compute rows of this shape. To try it takes a tenth of a second, in which
/// the host waits, and so do plans that cuDNN makes: only for shapes that come again, and not for
/// many. Rows of one document each come in as many lengths as documents have.
bool is_for_cudnn(const Heads& in, const Documents& documents, const AttentionOptions& options,
                  const Dense& dense) {
  constexpr int batches_before = 2;
  constexpr int most_tries = 16;
  using Shape = std::tuple<int, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                           std::int64_t, std::int64_t>;
  static std::mutex mutex;
  static std::map<Shape, Sightings> shapes;
  static int tries = 0;
  const std::lock_guard lock(mutex);
  Sightings& seen = shapes[Shape{in.q.get_device(), dense.rows, dense.length, in.q.size(1),
                                 in.k.size(1), in.q.size(2), in.q.stride(0)}];
  if (seen.agrees) return *seen.agrees;
  if (std::exchange(seen.last, documents.number()) != documents.number()) ++seen.batches;
  if (seen.batches <= batches_before || tries == most_tries) return false;
  ++tries;
  seen.agrees = agrees_with_flash(in, documents, options, dense);
  return *seen.agrees;
}

Dense dense_of(const Documents& documents, const AttentionOptions& options) {
  return {documents.count(), documents.longest(), options.scale};
}

/// The dense form where cuDNN is to be used: rows of one length that are long enough to fill its
/// tiles. It has no deterministic backward pass.
std::optional<Dense> dense_form(const Heads& in, const Documents& documents,
                                const AttentionOptions& options) {
  constexpr std::int64_t shortest = 128;
  const bool is_windowed = options.window && *options.window < documents.longest();
  if (!documents.is_uniform() || documents.longest() < shortest || is_windowed ||
      at::globalContext().deterministicAlgorithms())
    return std::nullopt;
  const Dense dense = dense_of(documents, options);
  return is_for_cudnn(in, documents, options, dense) ? std::optional(dense) : std::nullopt;
}

/// By whom the forward pass was: flash has [heads, tokens], cuDNN numbers by row.
bool is_of_cudnn(const AttentionResult& result) {
  return result.log_sum.dim() > 2;
}

void check_type(const at::Tensor& q) {
  FG_CHECK(q.scalar_type() == at::kBFloat16);
  FG_CHECK(q.size(2) % 8 == 0 && q.size(2) <= 256);
}

}  // namespace

AttentionResult attention_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const Documents& documents, const AttentionOptions& options) {
  check_type(q);
  FG_CHECK(documents.placed_starts().defined());
  if (q.size(0) == 0) return {at::empty(q.sizes(), q.options()), {}};
  const Heads in{q, k, v};
  if (const auto dense = dense_form(in, documents, options)) return cudnn_forward(in, *dense);
  return flash_forward(in, documents, options);
}

AttentionGradients attention_backward(const at::Tensor& grad_output, const at::Tensor& q,
                                      const at::Tensor& k, const at::Tensor& v,
                                      const AttentionResult& result, const Documents& documents,
                                      const AttentionOptions& options) {
  const Heads in{q, k, v};
  if (q.size(0) == 0)
    return {at::empty(q.sizes(), q.options()), at::empty(k.sizes(), k.options()),
            at::empty(v.sizes(), v.options())};
  if (is_of_cudnn(result))
    return cudnn_backward(grad_output, in, result, dense_of(documents, options));
  return flash_backward(grad_output, in, result, documents, options);
}

void attention_cached(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const AttentionOptions& options, at::Tensor& output) {
  check_type(q);
  auto result = at::_flash_attention_forward(
      q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), {}, {}, q.size(0), k.size(0), 0.0,
      /*is_causal=*/true, false, options.scale, window_before(options), window_after(options));
  output.copy_(std::get<0>(result).squeeze(0));
}

}  // namespace fg::ops::cuda
