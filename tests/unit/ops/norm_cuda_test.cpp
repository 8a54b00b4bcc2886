#include <array>

#include <fg/ops/linear.hpp>
#include <fg/ops/rms_norm.hpp>

#include "cuda_twin.hpp"

namespace fg::ops {
namespace {

using namespace twin;
using Shape = std::vector<std::int64_t>;

constexpr double eps = 1e-5;

/// Empty; one; odd widths; several rows a block; more rows than blocks that run at once; whole
/// blocks a row; packs that do not fill the lanes; rows wider than what a block holds.
const std::vector<Shape> shapes{{0, 5},     {1, 1},     {3, 17},       {2, 64},      {129, 67},
                                {9001, 64}, {5, 512},   {33, 1000},    {1100, 4096}, {7, 4104},
                                {4, 5120},  {3, 16392}, {2, 20001},    {0, 2, 8},    {1, 1, 4},
                                {9, 3, 8},  {70, 5, 7}, {300, 40, 128}};

std::string name_of(const Shape& shape, Layout layout) {
  std::string text = "[";
  for (const std::int64_t size : shape) text += std::to_string(size) + " ";
  return text + "] " + twin::name_of(layout);
}

Shape outer(const Shape& shape) {
  return {shape.begin(), shape.end() - 1};
}

/// body(shape, layout, type, name).
template <typename Body>
void for_each_case(const Body& body) {
  for (const at::ScalarType type : types)
    for (const Shape& shape : shapes)
      for (const Layout layout : layouts) body(shape, layout, type, name_of(shape, layout));
}

at::Tensor on_gpu(const at::Tensor& tensor) {
  return tensor.to(at::kCUDA);
}

TEST(RmsNormOnGpu, IsThatOfTheCpuAndTheSameAgain) {
  FG_REQUIRE_GPU();
  for_each_case(
      [](const Shape& shape, Layout layout, at::ScalarType type, const std::string& name) {
        const at::Tensor x = numbers(shape, type, 1);
        const at::Tensor weight = numbers({shape.back()}, type, 2);
        at::Tensor wanted = at::empty_like(x);
        at::Tensor wanted_rms = at::empty(outer(shape), at::kFloat);
        rms_norm_forward(x, weight, eps, wanted, wanted_rms);

        Framed input(x, layout);
        Framed output(at::zeros_like(x), layout);
        Framed again(at::zeros_like(x), layout);
        at::Tensor rms = on_gpu(at::zeros_like(wanted_rms));
        rms_norm_forward(input.view(), on_gpu(weight), eps, output.view(), rms);
        rms_norm_again(input.view(), on_gpu(weight), rms, again.view());

        expect_close(rms, wanted_rms, shape.back(), "inverse_rms " + name);
        expect_close(output.view(), wanted, shape.back(), "norm " + name);
        expect_same(again.view(), output.view(), "norm again " + name);
        output.expect_frame_intact("norm " + name);
        again.expect_frame_intact("norm again " + name);
      });
}

TEST(RmsNormOnGpu, AddsTheResidualInPlace) {
  FG_REQUIRE_GPU();
  for_each_case(
      [](const Shape& shape, Layout layout, at::ScalarType type, const std::string& name) {
        const at::Tensor x = numbers(shape, type, 1);
        const at::Tensor residual = numbers(shape, type, 2);
        const at::Tensor weight = numbers({shape.back()}, type, 3);
        at::Tensor wanted_sum = residual.clone();
        at::Tensor wanted = at::empty_like(x);
        at::Tensor wanted_rms = at::empty(outer(shape), at::kFloat);
        add_rms_norm_forward(x, wanted_sum, weight, eps, wanted_sum, wanted, wanted_rms);

        Framed input(x, layout);
        Framed sum(residual, layout);
        Framed output(at::zeros_like(x), layout);
        at::Tensor rms = on_gpu(at::zeros_like(wanted_rms));
        add_rms_norm_forward(input.view(), sum.view(), on_gpu(weight), eps, sum.view(),
                             output.view(), rms);

        expect_same(sum.view(), wanted_sum, "sum " + name);
        expect_close(output.view(), wanted, shape.back(), "norm of the sum " + name);
        sum.expect_frame_intact("sum " + name);
        output.expect_frame_intact("norm of the sum " + name);
      });
}

TEST(RmsNormOnGpu, TurnsGradientsBackAloneAndInOnePass) {
  FG_REQUIRE_GPU();
  for_each_case(
      [](const Shape& shape, Layout layout, at::ScalarType type, const std::string& name) {
        const at::Tensor x = numbers(shape, type, 1);
        const at::Tensor weight = numbers({shape.back()}, type, 2);
        const at::Tensor gradient = numbers(shape, type, 3);
        const at::Tensor past = numbers(shape, type, 4);
        at::Tensor unused = at::empty_like(x);
        at::Tensor rms = at::empty(outer(shape), at::kFloat);
        rms_norm_forward(x, weight, eps, unused, rms);
        const std::int64_t rows = rms.numel();
        const auto peak = [](const at::Tensor& tensor) {
          return tensor.numel() == 0 ? 0.0 : tensor.abs().max().item<double>();
        };
        // A row of one element has no gradient but the rounding of two equal terms.
        const double term = peak(gradient) * peak(weight) * peak(rms);

        Framed input(x, layout);
        const at::Tensor scale = on_gpu(weight);
        const at::Tensor inverse = on_gpu(rms);
        for (const bool has_past : {false, true}) {
          const std::string what = name + (has_past ? " with a residual" : " alone");
          at::Tensor wanted = at::empty_like(x);
          at::Tensor wanted_weight = at::empty_like(weight);
          rms_norm_backward(gradient, x, weight, rms, has_past ? past : at::Tensor(), wanted,
                            wanted_weight);

          // In place of grad_output, as the model has it.
          Framed one_pass(gradient, layout);
          Framed residual(past, layout);
          const at::Tensor given = has_past ? residual.view() : at::Tensor();
          at::Tensor grad_weight = at::full_like(scale, 5);
          rms_norm_backward(one_pass.view(), input.view(), scale, inverse, given, one_pass.view(),
                            grad_weight);
          expect_close(one_pass.view(), wanted, shape.back(), "grad_input " + what, term);
          expect_close(grad_weight, wanted_weight, rows, "grad_weight " + what);
          one_pass.expect_frame_intact("grad_input " + what);

          Framed second(gradient, layout);
          at::Tensor second_weight = at::full_like(scale, 6);
          rms_norm_backward(second.view(), input.view(), scale, inverse, given, second.view(),
                            second_weight);
          expect_same(second.view(), one_pass.view(), "grad_input again " + what);
          expect_same(second_weight, grad_weight, "grad_weight again " + what);

          Framed incoming(gradient, layout);
          at::Tensor alone_weight = at::full_like(scale, 7);
          rms_norm_backward_weight(incoming.view(), input.view(), inverse, alone_weight);
          expect_close(alone_weight, wanted_weight, rows, "grad_weight alone " + what);
          // In place of the residual's gradient, where there is one.
          at::Tensor target = has_past ? residual.view() : incoming.view();
          rms_norm_backward_input(incoming.view(), input.view(), scale, inverse, given, target);
          expect_close(target, wanted, shape.back(), "grad_input alone " + what, term);
          residual.expect_frame_intact("grad_input alone " + what);
        }
      });
}

TEST(LinearOnGpu, SumsTheBiasGradientOverTokens) {
  FG_REQUIRE_GPU();
  for_each_case(
      [](const Shape& shape, Layout layout, at::ScalarType type, const std::string& name) {
        if (shape.size() != 2) return;
        const at::Tensor gradient = numbers(shape, type, 1);
        at::Tensor wanted = at::empty({shape[1]}, type);
        linear_backward_bias(gradient, wanted);

        Framed given(gradient, layout);
        at::Tensor bias = at::full({shape[1]}, 5, given.view().options());
        at::Tensor again = at::full({shape[1]}, 6, given.view().options());
        linear_backward_bias(given.view(), bias);
        linear_backward_bias(given.view(), again);

        expect_close(bias, wanted, shape[0], "grad_bias " + name);
        expect_same(again, bias, "grad_bias again " + name);
      });
}

// 2³¹ + 20480 elements: zeros but for some rows, so that the sums over all rows are those of these.
TEST(RmsNormOnGpu, ReachesBeyondThirtyTwoBits) {
  FG_REQUIRE_GPU();
  const std::int64_t width = 4096;
  const std::int64_t rows = 524293;
  const std::array<std::int64_t, 4> places{0, 262143, 524287, rows - 2};  // two rows at each
  const at::Tensor x = numbers({8, width}, at::kBFloat16, 1);
  const at::Tensor gradient = numbers({8, width}, at::kBFloat16, 2);
  const at::Tensor weight = numbers({width}, at::kBFloat16, 3);
  at::Tensor wanted = at::empty_like(x);
  at::Tensor rms = at::empty({8}, at::kFloat);
  at::Tensor grad_input = at::empty_like(x);
  at::Tensor grad_weight = at::empty_like(weight);
  at::Tensor grad_bias = at::empty_like(weight);
  rms_norm_forward(x, weight, eps, wanted, rms);
  rms_norm_backward(gradient, x, weight, rms, {}, grad_input, grad_weight);
  linear_backward_bias(gradient, grad_bias);

  const at::TensorOptions options = x.options().device(at::kCUDA);
  at::Tensor input = at::zeros({rows, width}, options);
  at::Tensor output = at::empty({rows, width}, options);
  at::Tensor gradients = at::zeros({rows, width}, options);
  const auto rows_at = [&](const at::Tensor& of, std::size_t place) {
    return of.narrow(0, places[place], 2);
  };
  for (std::size_t place = 0; place < places.size(); ++place) {
    const auto first = static_cast<std::int64_t>(2 * place);
    rows_at(input, place).copy_(x.narrow(0, first, 2));
    rows_at(gradients, place).copy_(gradient.narrow(0, first, 2));
  }
  at::Tensor inverse = at::empty({rows}, options.dtype(at::kFloat));
  at::Tensor sums = at::empty({width}, options);
  at::Tensor bias = at::empty({width}, options);
  rms_norm_forward(input, weight.to(at::kCUDA), eps, output, inverse);
  linear_backward_bias(gradients, bias);
  rms_norm_backward_weight(gradients, input, inverse, sums);
  expect_close(bias, grad_bias, 8, "grad_bias");
  expect_close(sums, grad_weight, 8, "grad_weight alone");
  rms_norm_backward(gradients, input, weight.to(at::kCUDA), inverse, {}, gradients, sums);
  expect_close(sums, grad_weight, 8, "grad_weight");
  for (std::size_t place = 0; place < places.size(); ++place) {
    const std::string name = " at row " + std::to_string(places[place]);
    const auto first = static_cast<std::int64_t>(2 * place);
    expect_close(rows_at(inverse, place), rms.narrow(0, first, 2), width, "inverse_rms" + name);
    expect_close(rows_at(output, place), wanted.narrow(0, first, 2), width, "norm" + name);
    expect_close(rows_at(gradients, place), grad_input.narrow(0, first, 2), width,
                 "grad_input" + name);
  }
}

}  // namespace
}  // namespace fg::ops
