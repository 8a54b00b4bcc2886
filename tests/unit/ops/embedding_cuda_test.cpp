#include <array>

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <c10/cuda/CUDAFunctions.h>

#include <fg/ops/embedding.hpp>
#include <fg/ops/linear.hpp>
#include <fg/ops/rms_norm.hpp>
#include <fg/ops/rotary.hpp>
#include <fg/ops/swiglu.hpp>

#include "cuda_twin.hpp"

namespace fg::ops {
namespace {

using namespace twin;

at::Tensor on_gpu(const at::Tensor& tensor) {
  return tensor.to(at::kCUDA);
}

/// `tokens` ids below `bound`; the smaller ones often, some never.
at::Tensor ids_of(std::int64_t tokens, std::int64_t bound) {
  const at::Tensor squares =
      numbers({tokens}, at::kFloat, 5).square().mul(0.1 * static_cast<double>(bound));
  return squares.to(at::kLong).clamp_max(bound - 1);
}

struct Case {
  std::int64_t tokens, width, vocabulary;
};

/// Empty; one; odd widths; one id for all (longer than what is under way at a time); many.
const std::vector<Case> cases{{0, 5, 3},          {1, 1, 1},    {7, 33, 5},     {8, 64, 1},
                              {17, 16, 1},        {700, 24, 1}, {1000, 67, 50}, {513, 4096, 300},
                              {3000, 256, 40000}, {40, 9001, 7}};

TEST(EmbeddingOnGpu, HasTheBitsOfTheCpuBothWays) {
  FG_REQUIRE_GPU();
  for (const at::ScalarType type : types)
    for (const Case& size : cases)
      for (const Layout layout : layouts) {
        const std::string name = std::to_string(size.tokens) + " tokens of width " +
                                 std::to_string(size.width) + " " + name_of(layout);
        const at::Tensor ids = ids_of(size.tokens, size.vocabulary);
        const at::Tensor weight = numbers({size.vocabulary + 3, size.width}, type, 1);
        const at::Tensor gradient = numbers({size.tokens, size.width}, type, 2);
        at::Tensor wanted = at::empty_like(gradient);
        embedding_forward(ids, weight, size.vocabulary, wanted);
        at::Tensor output = on_gpu(at::zeros_like(gradient));
        embedding_forward(on_gpu(ids), on_gpu(weight), size.vocabulary, output);
        expect_same(output, wanted, "embedding " + name);

        at::Tensor wanted_grad = weight.clone();
        embedding_backward(gradient, ids, wanted_grad);
        Framed given(gradient, layout);
        Framed grad(weight, layout);
        embedding_backward(given.view(), on_gpu(ids), grad.view());
        expect_same(grad.view(), wanted_grad, "grad_weight " + name);
        grad.expect_frame_intact("grad_weight " + name);
      }
}

TEST(EmbeddingOnGpu, TouchesNothingForABadId) {
  FG_REQUIRE_GPU();
  const at::Tensor ids =
      on_gpu(at::tensor({std::int64_t{-1}, std::int64_t{2}, std::int64_t{1} << 40, std::int64_t{4},
                         std::int64_t{-1}}));
  const at::Tensor weight = on_gpu(at::full({4, 16}, 3.0));
  at::Tensor output = on_gpu(at::full({5, 16}, 9.0));
  embedding_forward(ids, weight, 4, output);
  EXPECT_EQ(output.sum().item<double>(), 3.0 * 16);
  EXPECT_EQ(output[1].sum().item<double>(), 3.0 * 16);

  at::Tensor grad = on_gpu(at::zeros({4, 16}));
  embedding_backward(on_gpu(at::full({5, 16}, 1.0)), ids, grad);
  EXPECT_EQ(grad.sum().item<double>(), 16.0);
  EXPECT_EQ(grad[2].sum().item<double>(), 16.0);
}

// The table has 2³¹ + 20480 elements.
TEST(EmbeddingOnGpu, ReachesBeyondThirtyTwoBits) {
  FG_REQUIRE_GPU();
  const std::int64_t rows = 524293;
  const std::int64_t width = 4096;
  const at::TensorOptions options = at::TensorOptions(at::kBFloat16).device(at::kCUDA);
  const at::Tensor values = numbers({3, width}, at::kBFloat16, 1);
  const std::array<std::int64_t, 3> places{0, 524288, rows - 1};
  at::Tensor weight = at::zeros({rows, width}, options);
  for (std::size_t index = 0; index < places.size(); ++index)
    weight[places[index]].copy_(values[static_cast<std::int64_t>(index)]);
  const at::Tensor ids =
      on_gpu(at::tensor(at::ArrayRef<std::int64_t>(places.data(), places.size())));
  at::Tensor output = at::zeros({3, width}, options);
  embedding_forward(ids, weight, rows, output);
  expect_same(output, values, "embedding");

  weight.zero_();
  embedding_backward(output, ids, weight);
  for (std::size_t index = 0; index < places.size(); ++index)
    expect_same(weight[places[index]], values[static_cast<std::int64_t>(index)],
                "grad_weight row " + std::to_string(places[index]));
  EXPECT_EQ(weight.count_nonzero().item<std::int64_t>(),
            values.count_nonzero().item<std::int64_t>());
}

/// Makes LibTorch throw where it would wait for the GPU.
class NoWaiting {
public:
  NoWaiting() { set(c10::cuda::SyncDebugMode::L_ERROR); }
  ~NoWaiting() { set(c10::cuda::SyncDebugMode::L_DISABLED); }
  NoWaiting(const NoWaiting&) = delete;
  NoWaiting& operator=(const NoWaiting&) = delete;

private:
  static void set(c10::cuda::SyncDebugMode mode) {
    c10::cuda::warning_state().set_sync_debug_mode(mode);
  }
};

TEST(OperationsOnGpu, NeverMakeTheHostWait) {
  FG_REQUIRE_GPU();
  const at::TensorOptions options = at::TensorOptions(at::kBFloat16).device(at::kCUDA);
  const at::Tensor ids = on_gpu(ids_of(300, 20));
  at::Tensor table = at::zeros({20, 64}, options);
  at::Tensor hidden = at::zeros({300, 64}, options);
  at::Tensor output = at::zeros({300, 64}, options);
  at::Tensor rms = at::zeros({300}, options.dtype(at::kFloat));
  at::Tensor weight = at::zeros({64}, options);
  at::Tensor grad_weight = at::zeros({64}, options);
  at::Tensor heads = at::zeros({300, 4, 16}, options);
  at::Tensor gate_up = at::zeros({300, 128}, options);
  RotaryTables tables(arch::Rope{}, 16, 4096, at::kCUDA);
  const std::vector<std::int64_t> lengths{100, 200};
  const std::uint64_t waits = device::host_waits();

  const NoWaiting guard;
  EXPECT_NO_THROW({
    embedding_forward(ids, table, 20, hidden);
    embedding_backward(hidden, ids, table);
    rms_norm_forward(hidden, weight, 1e-5, output, rms);
    rms_norm_backward(output, hidden, weight, rms, {}, output, grad_weight);
    rms_norm_backward_weight(output, hidden, rms, grad_weight);
    linear_backward_bias(output, grad_weight);
    rotate(heads, tables.for_documents(Documents(lengths)));
    rotate(heads, tables.for_positions(600, 300));
    swiglu_forward(gate_up, output);
  });
  EXPECT_EQ(device::host_waits(), waits);
}

TEST(OperationsOnGpu, RefuseTypesWithoutKernelsByName) {
  FG_REQUIRE_GPU();
  for (const at::ScalarType type : {at::kDouble, at::kHalf}) {
    at::Tensor output = at::zeros({2, 8}, at::TensorOptions(type).device(at::kCUDA));
    const at::Tensor gate_up = at::zeros({2, 16}, output.options());
    try {
      swiglu_forward(gate_up, output);
      ADD_FAILURE() << "no error for " << c10::toString(type);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(c10::toString(type)), std::string::npos)
          << error.what();
    }
  }
}

}  // namespace
}  // namespace fg::ops
