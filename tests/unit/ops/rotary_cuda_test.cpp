#include <array>

#include <ATen/ops/cat.h>

#include <fg/ops/rotary.hpp>

#include "cuda_twin.hpp"

namespace fg::ops {
namespace {

using namespace twin;

Rotation on_gpu(const Rotation& rotation) {
  return {rotation.cosines.to(at::kCUDA), rotation.sines.to(at::kCUDA)};
}

Rotation angles(std::int64_t tokens, std::int64_t head_dim) {
  RotaryTables tables(arch::Rope{}, head_dim, 4096);
  const Rotation rotation = tables.for_positions(0, tokens);
  return {rotation.cosines.clone(), rotation.sines.clone()};
}

struct Case {
  std::int64_t tokens, heads, kv_heads, head_dim;
};

/// Empty; one; halves that are no whole packs; the models' shapes; more packs than a block's
/// threads.
const std::vector<Case> cases{
    {0, 2, 1, 8},     {1, 1, 1, 2},     {5, 3, 1, 6},       {7, 5, 5, 20},   {3, 1, 1, 16},
    {300, 32, 8, 64}, {65, 64, 8, 128}, {129, 32, 32, 128}, {2, 3, 1, 4096}, {2, 2, 1, 602}};

TEST(RotaryOnGpu, TurnsHeadsBothWaysAsTheCpu) {
  FG_REQUIRE_GPU();
  for (const at::ScalarType type : types)
    for (const Case& size : cases)
      for (const Layout layout : layouts)
        for (const bool backwards : {false, true}) {
          const at::Tensor values = numbers({size.tokens, size.heads, size.head_dim}, type, 1);
          const Rotation rotation = angles(size.tokens, size.head_dim);
          at::Tensor wanted = values.clone();
          Framed heads(values, layout);
          Framed again(values, layout);
          if (backwards) {
            rotate_back(wanted, rotation);
            rotate_back(heads.view(), on_gpu(rotation));
            rotate_back(again.view(), on_gpu(rotation));
          } else {
            rotate(wanted, rotation);
            rotate(heads.view(), on_gpu(rotation));
            rotate(again.view(), on_gpu(rotation));
          }
          const std::string name = name_of(layout) + (backwards ? " backwards" : " forwards");
          expect_close(heads.view(), wanted, 2, name);
          expect_same(again.view(), heads.view(), name);
          heads.expect_frame_intact(name);
        }
}

TEST(RotaryOnGpu, TurnsGradientsBackIntoTheFusedMatrix) {
  FG_REQUIRE_GPU();
  for (const at::ScalarType type : types)
    for (const Case& size : cases)
      for (const Layout layout : layouts) {
        const at::Tensor q = numbers({size.tokens, size.heads, size.head_dim}, type, 1);
        const at::Tensor k = numbers({size.tokens, size.kv_heads, size.head_dim}, type, 2);
        const at::Tensor v = numbers({size.tokens, size.kv_heads, size.head_dim}, type, 3);
        const Rotation rotation = angles(size.tokens, size.head_dim);
        const std::int64_t width = (size.heads + 2 * size.kv_heads) * size.head_dim;
        at::Tensor wanted = at::empty({size.tokens, width}, type);
        rotate_back_into(q, k, v, rotation, wanted);

        Framed from_q(q, layout);
        Framed from_k(k, layout);
        Framed from_v(v, layout);
        Framed fused(at::zeros({size.tokens, width}, type), layout);
        rotate_back_into(from_q.view(), from_k.view(), from_v.view(), on_gpu(rotation),
                         fused.view());
        expect_close(fused.view(), wanted, 2, name_of(layout));
        fused.expect_frame_intact(name_of(layout));

        // In place: the three are slices of the matrix.
        const auto part = [&](std::int64_t first, std::int64_t count) {
          return fused.view()
              .narrow(1, first * size.head_dim, count * size.head_dim)
              .view({size.tokens, count, size.head_dim});
        };
        const at::Tensor expected = fused.view().clone();
        part(0, size.heads).copy_(q);
        part(size.heads, size.kv_heads).copy_(k);
        part(size.heads + size.kv_heads, size.kv_heads).copy_(v);
        rotate_back_into(part(0, size.heads), part(size.heads, size.kv_heads),
                         part(size.heads + size.kv_heads, size.kv_heads), on_gpu(rotation),
                         fused.view());
        expect_same(fused.view(), expected, "in place, " + name_of(layout));
      }
}

TEST(RotaryOnGpu, MakesTheTablesOfTheCpu) {
  FG_REQUIRE_GPU();
  arch::Rope dynamic;
  dynamic.kind = arch::RopeKind::dynamic;
  dynamic.factor = 2.0;
  for (const arch::Rope& rope : {arch::Rope{}, dynamic}) {
    RotaryTables ours(rope, 64, 40, at::kCUDA);
    RotaryTables theirs(rope, 64, 40);
    for (const std::vector<std::int64_t>& lengths : std::vector<std::vector<std::int64_t>>{
             {}, {7}, {40, 0, 13}, {10, 50, 12, 44}, {1, 2, 3}, {600, 1}}) {
      const Documents documents(lengths);
      const Rotation rotation = ours.for_documents(documents);
      const Rotation wanted = theirs.for_documents(documents);
      EXPECT_TRUE(rotation.cosines.is_cuda() && rotation.cosines.is_contiguous());
      expect_same(rotation.cosines, wanted.cosines, "cosines");
      expect_same(rotation.sines, wanted.sines, "sines");
    }
    expect_same(ours.for_positions(30, 20).sines, theirs.for_positions(30, 20).sines, "positions");
  }
}

// 2³¹ + 20480 elements.
TEST(RotaryOnGpu, ReachesBeyondThirtyTwoBits) {
  FG_REQUIRE_GPU();
  const std::int64_t tokens = 524293;
  const at::Tensor values = numbers({2, 64, 64}, at::kBFloat16, 1);
  const Rotation rotation = angles(2, 64);
  at::Tensor wanted = values.clone();
  rotate(wanted, rotation);

  const at::TensorOptions options = at::TensorOptions(at::kBFloat16).device(at::kCUDA);
  at::Tensor heads = at::zeros({tokens, 64, 64}, options);
  Rotation all{at::zeros({tokens, 32}, options.dtype(at::kFloat)),
               at::zeros({tokens, 32}, options.dtype(at::kFloat))};
  const std::array<std::int64_t, 3> places{0, 524287, tokens - 2};
  for (const std::int64_t place : places) {
    heads.narrow(0, place, 2).copy_(values);
    all.cosines.narrow(0, place, 2).copy_(rotation.cosines);
    all.sines.narrow(0, place, 2).copy_(rotation.sines);
  }
  rotate(heads, all);
  for (const std::int64_t place : places)
    expect_close(heads.narrow(0, place, 2), wanted, 2, "token " + std::to_string(place));
}

}  // namespace
}  // namespace fg::ops
