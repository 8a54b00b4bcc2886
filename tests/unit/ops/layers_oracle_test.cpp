#include <fg/ops/embedding.hpp>
#include <fg/ops/linear.hpp>
#include <fg/ops/rms_norm.hpp>
#include <fg/ops/rotary.hpp>
#include <fg/ops/swiglu.hpp>
#include <fg/test/oracle.hpp>

namespace fg::ops {
namespace {

using test::compare_with_autograd;
using test::seeded;
using test::Tensors;
using torch::Tensor;

TEST(Linear, EqualsAutogradOnOddAndEmptySizes) {
  for (const auto& [tokens, inputs, outputs] : std::vector<std::array<std::int64_t, 3>>{
           {0, 5, 3}, {4, 0, 3}, {1, 1, 1}, {7, 13, 5}, {65, 129, 33}}) {
    const Tensors values{seeded({tokens, inputs}, 1), seeded({outputs, inputs}, 2),
                         seeded({outputs}, 3)};
    const auto formula = [](const Tensors& in) { return torch::addmm(in[2], in[0], in[1].t()); };
    const auto ours = [](const Tensors& in, const Tensor& gradient) {
      Tensor output = torch::empty_like(gradient);
      Tensor grad_input = torch::empty_like(in[0]);
      Tensor grad_weight = torch::empty_like(in[1]);
      Tensor grad_bias = torch::empty_like(in[2]);
      linear_forward(in[0], in[1], in[2], output);
      linear_backward_input(gradient, in[1], grad_input);
      linear_backward_weight(gradient, in[0], grad_weight);
      linear_backward_bias(gradient, grad_bias);
      return Tensors{output, grad_input, grad_weight, grad_bias};
    };
    compare_with_autograd(formula, values, seeded({tokens, outputs}, 4),
                          std::max({tokens, inputs, outputs}), "linear", ours);
  }
}

TEST(Linear, WithoutBiasIsThePlainProduct) {
  const Tensor input = seeded({5, 7}, 1);
  const Tensor weight = seeded({3, 7}, 2);
  Tensor output = torch::empty({5, 3}, torch::kFloat64);

  linear_forward(input, weight, {}, output);

  test::expect_close(output, input.mm(weight.t()), 7, "product");
}

/// As transformers has it: fp32 inside, the weight applied after rounding.
Tensor norm_formula(const Tensor& input, const Tensor& weight, double eps) {
  const Tensor wide = input.scalar_type() == torch::kFloat64 ? input : input.to(torch::kFloat32);
  const Tensor normal = wide * torch::rsqrt(wide.pow(2).mean(-1, true) + eps);
  return weight * normal.to(input.scalar_type());
}

TEST(RmsNorm, EqualsAutogradOnOddAndEmptySizes) {
  for (const auto& [tokens, width] :
       std::vector<std::array<std::int64_t, 2>>{{0, 5}, {1, 1}, {3, 17}, {129, 67}, {200, 300}}) {
    const Tensors values{seeded({tokens, width}, 1), seeded({width}, 2)};
    const auto formula = [](const Tensors& in) { return norm_formula(in[0], in[1], 1e-5); };
    const auto ours = [](const Tensors& in, const Tensor& gradient) {
      Tensor output = torch::empty_like(in[0]);
      Tensor inverse =
          torch::empty({in[0].size(0)},
                       in[0].scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32);
      Tensor grad_input = torch::empty_like(in[0]);
      Tensor grad_weight = torch::empty_like(in[1]);
      rms_norm_forward(in[0], in[1], 1e-5, output, inverse);
      rms_norm_backward_input(gradient, in[0], in[1], inverse, {}, grad_input);
      rms_norm_backward_weight(gradient, in[0], inverse, grad_weight);
      Tensor again = torch::empty_like(output);
      rms_norm_again(in[0], in[1], inverse, again);
      EXPECT_TRUE(again.equal(output));
      return Tensors{output, grad_input, grad_weight};
    };
    compare_with_autograd(formula, values, seeded({tokens, width}, 3), std::max(tokens, width),
                          "norm", ours);
  }
}

TEST(RmsNorm, NormalisesEachHeadOfAStridedMatrix) {
  const Tensor whole = seeded({6, 40}, 1);
  const Tensor weight = seeded({8}, 2);
  const Tensor heads = whole.narrow(1, 8, 24).view({6, 3, 8});
  Tensor output = torch::zeros({6, 40}, torch::kFloat64);
  Tensor out_heads = output.narrow(1, 16, 24).view({6, 3, 8});
  Tensor inverse = torch::empty({6, 3}, torch::kFloat64);

  rms_norm_forward(heads, weight, 1e-6, out_heads, inverse);

  test::expect_close(out_heads, norm_formula(heads, weight, 1e-6), 8, "heads");
  EXPECT_EQ(output.narrow(1, 0, 16).abs().sum().item<double>(), 0.0);
}

TEST(RmsNorm, AddsTheResidualBeforeAndItsGradientAfter) {
  const Tensors values{seeded({9, 21}, 1), seeded({9, 21}, 2), seeded({21}, 3)};
  // Both the sum and its norm are used afterwards, as in a block.
  const auto formula = [](const Tensors& in) {
    const Tensor sum = in[0] + in[1];
    return torch::cat({sum, norm_formula(sum, in[2], 1e-5)}, 1);
  };
  const auto ours = [](const Tensors& in, const Tensor& gradient) {
    Tensor sum = in[1].clone();
    Tensor output = torch::empty_like(sum);
    Tensor inverse =
        torch::empty({9}, sum.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32);
    add_rms_norm_forward(in[0], sum, in[2], 1e-5, sum, output, inverse);
    Tensor grad_sum = gradient.narrow(1, 0, 21).contiguous();
    const Tensor grad_norm = gradient.narrow(1, 21, 21);
    Tensor grad_weight = torch::empty_like(in[2]);
    rms_norm_backward_weight(grad_norm, sum, inverse, grad_weight);
    rms_norm_backward_input(grad_norm, sum, in[2], inverse, grad_sum, grad_sum);
    return Tensors{torch::cat({sum, output}, 1), grad_sum, grad_sum, grad_weight};
  };
  compare_with_autograd(formula, values, seeded({9, 42}, 4), 21, "residual", ours);
}

Tensor rotate_formula(const Tensor& heads, const Rotation& rotation) {
  const auto spread = [&](const Tensor& table) {
    return torch::cat({table, table}, 1).unsqueeze(1).to(heads.scalar_type());
  };
  const std::int64_t half = heads.size(2) / 2;
  const Tensor turned = torch::cat({-heads.narrow(2, half, half), heads.narrow(2, 0, half)}, 2);
  return heads * spread(rotation.cosines) + turned * spread(rotation.sines);
}

TEST(Rotary, TurnsHeadsAndTurnsGradientsBack) {
  arch::Rope rope;
  rope.theta = 100.0;
  RotaryTables tables(rope, 6, 64);
  for (const std::vector<std::int64_t>& lengths :
       std::vector<std::vector<std::int64_t>>{{}, {1}, {5, 0, 11}}) {
    const Documents documents(lengths);
    const Rotation rotation = tables.for_documents(documents);
    const auto formula = [&](const Tensors& in) { return rotate_formula(in[0], rotation); };
    const auto ours = [&](const Tensors& in, const Tensor& gradient) {
      // Slices of a fused matrix, so that the rows are strided.
      Tensor fused = torch::zeros({documents.tokens(), 2, 3, 6}, in[0].options());
      Tensor values = fused.select(1, 0);
      Tensor grad = fused.select(1, 1);
      values.copy_(in[0]);
      grad.copy_(gradient);
      rotate(values, rotation);
      rotate_back(grad, rotation);
      return Tensors{values, grad};
    };
    compare_with_autograd(formula, {seeded({documents.tokens(), 3, 6}, 1)},
                          seeded({documents.tokens(), 3, 6}, 2), 2, "rotary", ours);
  }
}

TEST(SwiGlu, EqualsAutogradAlsoInPlaceAndFarOut) {
  for (const auto& [tokens, width] :
       std::vector<std::array<std::int64_t, 2>>{{0, 3}, {1, 1}, {7, 33}, {100, 257}}) {
    Tensor gate_up = seeded({tokens, 2 * width}, 1);
    if (tokens == 7) gate_up.mul_(100);  // sigmoids of 0 and 1
    const auto formula = [width = width](const Tensors& in) {
      return torch::silu(in[0].narrow(1, 0, width)) * in[0].narrow(1, width, width);
    };
    const auto ours = [](const Tensors& in, const Tensor& gradient) {
      Tensor output = torch::empty_like(gradient);
      swiglu_forward(in[0], output);
      Tensor again = gradient.clone();
      Tensor grad = in[0].clone();
      swiglu_backward(again, grad, again, grad);
      EXPECT_TRUE(again.equal(output));
      return Tensors{output, grad};
    };
    compare_with_autograd(formula, {gate_up}, seeded({tokens, width}, 2), 2, "swiglu", ours);
  }
}

TEST(Embedding, EqualsAutogradWithRepeatedIds) {
  for (const std::vector<std::int64_t>& list :
       std::vector<std::vector<std::int64_t>>{{}, {3}, {5, 1, 5, 5, 0, 1, 6}}) {
    const Tensor ids = torch::tensor(list, torch::kInt64);
    const auto formula = [](const Tensors& in) { return in[0].index_select(0, in[1]); };
    const auto ours = [](const Tensors& in, const Tensor& gradient) {
      Tensor output = torch::empty_like(gradient);
      Tensor grad_weight = torch::zeros_like(in[0]);
      embedding_forward(in[1], in[0], 7, output);
      embedding_backward(gradient, in[1], grad_weight);
      return Tensors{output, grad_weight};
    };
    compare_with_autograd(formula, {seeded({7, 9}, 1), ids}, seeded({ids.size(0), 9}, 2), 4,
                          "embedding", ours);
  }
}

}  // namespace
}  // namespace fg::ops
