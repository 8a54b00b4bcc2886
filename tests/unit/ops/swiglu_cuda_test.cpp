#include <array>

#include <fg/ops/swiglu.hpp>

#include "cuda_twin.hpp"

namespace fg::ops {
namespace {

using namespace twin;

/// Empty; one; odd; packs that do and do not fill a block; several blocks a row.
const std::vector<std::array<std::int64_t, 2>> shapes{
    {0, 3}, {1, 1}, {7, 33}, {3, 8}, {1000, 24}, {100, 257}, {5, 4096}, {33, 11008}, {3, 11011}};

TEST(SwiGluOnGpu, IsThatOfTheCpuBothWaysAndInPlace) {
  FG_REQUIRE_GPU();
  for (const at::ScalarType type : types)
    for (const auto& [tokens, width] : shapes)
      for (const Layout layout : layouts) {
        at::Tensor gate_up = numbers({tokens, 2 * width}, type, 1);
        if (tokens == 7) gate_up.mul_(100);  // sigmoids of 0 and 1
        const at::Tensor gradient = numbers({tokens, width}, type, 2);
        at::Tensor wanted = at::empty_like(gradient);
        at::Tensor wanted_again = at::empty_like(gradient);
        at::Tensor wanted_grad = at::empty_like(gate_up);
        swiglu_forward(gate_up, wanted);
        swiglu_backward(gradient, gate_up, wanted_again, wanted_grad);

        Framed input(gate_up, layout);
        Framed output(at::zeros_like(wanted), layout);
        swiglu_forward(input.view(), output.view());
        expect_close(output.view(), wanted, 1, "swiglu " + name_of(layout));
        output.expect_frame_intact("swiglu " + name_of(layout));

        Framed apart(at::zeros_like(wanted), layout);
        Framed grad_apart(at::zeros_like(gate_up), layout);
        Framed in_place(gradient, layout);
        swiglu_backward(in_place.view(), input.view(), apart.view(), grad_apart.view());
        expect_close(grad_apart.view(), wanted_grad, 1, "grad_gate_up " + name_of(layout));
        expect_same(apart.view(), output.view(), "output again " + name_of(layout));
        grad_apart.expect_frame_intact("grad_gate_up " + name_of(layout));

        swiglu_backward(in_place.view(), input.view(), in_place.view(), input.view());
        expect_same(in_place.view(), output.view(), "output in place " + name_of(layout));
        expect_same(input.view(), grad_apart.view(), "grad_gate_up in place " + name_of(layout));
        in_place.expect_frame_intact("output in place " + name_of(layout));
        input.expect_frame_intact("grad_gate_up in place " + name_of(layout));
      }
}

// gate_up has 2³² + 98304 elements, beyond unsigned numbers of 32 bits too; its half is beyond
// signed.
TEST(SwiGluOnGpu, ReachesBeyondThirtyTwoBits) {
  FG_REQUIRE_GPU();
  const std::int64_t width = 16384;
  const std::int64_t rows = 131075;
  const std::array<std::int64_t, 3> places{0, 65535, rows - 2};  // two rows at each
  const at::Tensor values = numbers({6, 2 * width}, at::kBFloat16, 1);
  const at::Tensor gradient = numbers({6, width}, at::kBFloat16, 2);
  at::Tensor wanted = at::empty_like(gradient);
  at::Tensor wanted_grad = at::empty_like(values);
  swiglu_backward(gradient, values, wanted, wanted_grad);

  const at::TensorOptions options = at::TensorOptions(at::kBFloat16).device(at::kCUDA);
  at::Tensor gate_up = at::zeros({rows, 2 * width}, options);
  at::Tensor output = at::zeros({rows, width}, options);
  at::Tensor gradients = at::zeros({rows, width}, options);
  for (std::size_t index = 0; index < places.size(); ++index) {
    const auto first = static_cast<std::int64_t>(2 * index);
    gate_up.narrow(0, places[index], 2).copy_(values.narrow(0, first, 2));
    gradients.narrow(0, places[index], 2).copy_(gradient.narrow(0, first, 2));
  }
  swiglu_forward(gate_up, output);
  swiglu_backward(gradients, gate_up, gradients, gate_up);
  for (std::size_t index = 0; index < places.size(); ++index) {
    const auto first = static_cast<std::int64_t>(2 * index);
    const std::string name = " at row " + std::to_string(places[index]);
    expect_close(output.narrow(0, places[index], 2), wanted.narrow(0, first, 2), 1,
                 "swiglu" + name);
    expect_close(gate_up.narrow(0, places[index], 2), wanted_grad.narrow(0, first, 2), 1,
                 "grad_gate_up" + name);
  }
}

}  // namespace
}  // namespace fg::ops
