#include <fg/ops/attention.hpp>
#include <fg/ops/cross_entropy.hpp>
#include <fg/test/oracle.hpp>

namespace fg::ops {
namespace {

using test::compare_with_autograd;
using test::seeded;
using test::Tensors;
using torch::Tensor;

/// Which key each query sees, by the definition: same document, not later, inside the window.
Tensor seen(const Documents& documents, std::optional<std::int64_t> window) {
  Tensor mask = torch::zeros({documents.tokens(), documents.tokens()}, torch::kBool);
  auto access = mask.accessor<bool, 2>();
  for (std::size_t document = 0; document + 1 < documents.starts().size(); ++document)
    for (std::int64_t query = documents.starts()[document];
         query < documents.starts()[document + 1]; ++query)
      for (std::int64_t key = documents.starts()[document]; key <= query; ++key)
        access[query][key] = !window || query - key < *window;
  return mask;
}

/// Eager attention as transformers computes it: softmax in fp32, probabilities in the model's type.
Tensor attention_formula(const Tensors& in, const Documents& documents,
                         const AttentionOptions& options) {
  const std::int64_t group = in[0].size(1) / in[1].size(1);
  const Tensor q = in[0].transpose(0, 1);
  const Tensor k = in[1].transpose(0, 1).repeat_interleave(group, 0);
  const Tensor v = in[2].transpose(0, 1).repeat_interleave(group, 0);
  const Tensor scores = torch::matmul(q, k.transpose(1, 2)) * options.scale;
  const Tensor masked = scores.masked_fill(seen(documents, options.window).logical_not(),
                                           -std::numeric_limits<double>::infinity());
  const auto wide = q.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const Tensor shares = torch::softmax(masked, -1, wide).to(q.scalar_type());
  return torch::matmul(shares, v).transpose(0, 1);
}

Tensors run_attention(const Tensors& in, const Tensor& gradient, const Documents& documents,
                      const AttentionOptions& options) {
  const std::int64_t tokens = in[0].size(0);
  const std::int64_t heads = in[0].size(1);
  const std::int64_t kv_heads = in[1].size(1);
  const std::int64_t width = in[0].size(2);
  const auto slices = [&](const Tensor& fused) {
    return Tensors{fused.narrow(1, 0, heads), fused.narrow(1, heads, kv_heads),
                   fused.narrow(1, heads + kv_heads, kv_heads)};
  };
  Tensor qkv = torch::empty({tokens, heads + 2 * kv_heads, width}, in[0].options());
  Tensors views = slices(qkv);
  for (std::size_t index = 0; index < 3; ++index) views[index].copy_(in[index]);
  const AttentionResult result =
      attention_forward(views[0], views[1], views[2], documents, options);
  const AttentionGradients grads =
      attention_backward(gradient, views[0], views[1], views[2], result, documents, options);
  return {result.output, grads.q, grads.k, grads.v};
}

void check_attention(const std::vector<std::int64_t>& lengths, std::int64_t heads,
                     std::int64_t kv_heads, std::optional<std::int64_t> window) {
  const Documents documents(lengths);
  const std::int64_t width = 16;
  const AttentionOptions options{1.0 / std::sqrt(16.0), window};
  const Tensors values{seeded({documents.tokens(), heads, width}, 1),
                       seeded({documents.tokens(), kv_heads, width}, 2),
                       seeded({documents.tokens(), kv_heads, width}, 3)};
  compare_with_autograd(
      [&](const Tensors& in) { return attention_formula(in, documents, options); }, values,
      seeded({documents.tokens(), heads, width}, 4), documents.longest() + width,
      "attention window " + std::to_string(window.value_or(0)),
      [&](const Tensors& in, const Tensor& gradient) {
        return run_attention(in, gradient, documents, options);
      });
}

TEST(Attention, KeepsPackedDocumentsApart) {
  check_attention({}, 2, 1, std::nullopt);
  check_attention({1}, 2, 2, std::nullopt);
  check_attention({5, 0, 1, 17, 0}, 4, 2, std::nullopt);
  check_attention({33, 64, 7}, 3, 1, std::nullopt);
}

TEST(Attention, SeesNoFurtherThanItsWindow) {
  for (const std::int64_t window : {1, 2, 7, 16, 17, 18})
    check_attention({17, 3, 40}, 4, 2, window);
}

TEST(Attention, CutsLongWindowedDocumentsIntoTiles) {
  check_attention({600, 10}, 2, 1, 100);
  check_attention({700}, 2, 2, 300);
}

TEST(Attention, ContinuesASequenceFromItsCache) {
  const std::int64_t tokens = 300;
  const std::vector<std::int64_t> lengths{tokens};
  const Documents documents(lengths);
  const Tensor q = seeded({tokens, 4, 8}, 1);
  const Tensor k = seeded({tokens, 2, 8}, 2);
  const Tensor v = seeded({tokens, 2, 8}, 3);
  for (const std::optional<std::int64_t> window :
       {std::optional<std::int64_t>{}, std::optional<std::int64_t>{20}}) {
    const AttentionOptions options{0.5, window};
    const Tensor whole = attention_formula({q, k, v}, documents, options);
    for (const std::int64_t fresh : {1, 2, 21, 280, 300}) {
      Tensor output = torch::empty({fresh, 4, 8}, torch::kFloat64);
      attention_cached(q.narrow(0, tokens - fresh, fresh), k, v, options, output);
      test::expect_close(output, whole.narrow(0, tokens - fresh, fresh), tokens,
                         "cached " + std::to_string(fresh));
    }
  }
}

/// What the fused loss does, in pieces: gather, product, cross-entropy of the real columns.
Tensor loss_formula(const Tensors& in, std::int64_t vocab_size, double scale) {
  const Tensor logits = in[0].index_select(0, in[2]).matmul(in[1].narrow(0, 0, vocab_size).t());
  const auto wide = logits.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  return torch::nn::functional::cross_entropy(
             logits.to(wide), in[3],
             torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum)) *
         scale;
}

TEST(CrossEntropy, EqualsAutogradWithTailsAndPaddingAndNothingTrained) {
  constexpr std::int64_t vocab = 37;
  const double scale = 1.0 / 11;
  for (const std::vector<std::int64_t>& trained : std::vector<std::vector<std::int64_t>>{
           {}, {2}, {0, 1, 5, 9}, {0, 1, 2, 4, 5, 8, 9, 11, 12}}) {
    const Tensor positions = torch::tensor(trained, torch::kInt64);
    const Tensor targets = (positions * 7 + 36) % vocab;
    Tensor head = seeded({64, 19}, 2);  // rows past the vocabulary: what is there must not matter
    head.narrow(0, vocab, 64 - vocab).fill_(30.0);
    const Tensors values{seeded({13, 19}, 1), head, positions, targets};
    compare_with_autograd(
        [&](const Tensors& in) { return loss_formula(in, vocab, scale); }, values,
        torch::ones({}, torch::kFloat64), 64, "loss of " + std::to_string(trained.size()),
        [&](const Tensors& in, const Tensor&) {
          const bool is_half = in[0].scalar_type() == torch::kBFloat16;
          const auto wide =
              in[0].scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
          const CrossEntropyInput input{in[0], in[1], in[2], in[3], vocab, 4};
          Tensor losses = torch::empty({positions.size(0)}, wide);
          Tensor again = torch::empty_like(losses);
          Tensor grad_hidden = torch::full_like(in[0], 7.0);
          Tensor grad_head =
              torch::full(in[1].sizes(), 7.0, is_half ? torch::kFloat32 : in[1].scalar_type());
          linear_cross_entropy_forward(input, again);
          linear_cross_entropy_backward(input, scale, losses, grad_hidden, grad_head);
          EXPECT_TRUE(again.equal(losses));
          return Tensors{(losses.sum() * scale).to(is_half ? torch::kFloat32 : wide), grad_hidden,
                         grad_head.to(in[1].scalar_type())};
        });
  }
}

}  // namespace
}  // namespace fg::ops
