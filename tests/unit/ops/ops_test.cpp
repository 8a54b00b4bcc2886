#include <cmath>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <fg/ops/cross_entropy.hpp>
#include <fg/ops/documents.hpp>
#include <fg/ops/embedding.hpp>
#include <fg/ops/linear.hpp>
#include <fg/ops/rms_norm.hpp>
#include <fg/ops/rotary.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::ops {
namespace {

/// Numbers without a pattern, in [-1, 1].
at::Tensor numbers(std::int64_t rows, std::int64_t columns) {
  return at::sin(at::arange(rows * columns, at::kFloat).mul(12.9898F)).reshape({rows, columns});
}

/// The result with one thread and with two.
template <typename Body>
void expect_same_on_any_threads(const Body& body) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = body();
  at::set_num_threads(2);
  const at::Tensor two = body();
  at::set_num_threads(before);
  EXPECT_TRUE(one.equal(two));
}

TEST(Documents, KnowWhereTheyBegin) {
  const std::vector<std::int64_t> lengths{3, 0, 5};
  const Documents documents(lengths);

  EXPECT_EQ(documents.count(), 3);
  EXPECT_EQ(documents.tokens(), 8);
  EXPECT_EQ(documents.longest(), 5);
  EXPECT_EQ(documents.starts()[2], 3);
  EXPECT_EQ(Documents().tokens(), 0);
}

TEST(Rotary, BeginsEachDocumentAtPositionZero) {
  RotaryTables tables(arch::Rope{}, 8, 64);
  const std::vector<std::int64_t> packed{3, 0, 5};
  const Rotation rotation = tables.for_documents(Documents(packed));

  EXPECT_TRUE(rotation.cosines.narrow(0, 0, 3).equal(rotation.cosines.narrow(0, 3, 3)));
  EXPECT_TRUE(rotation.sines[3].equal(at::zeros({4})));
  EXPECT_TRUE(tables.for_positions(2, 3).sines.equal(rotation.sines.narrow(0, 5, 3)));
}

TEST(Rotary, StretchesADynamicDocumentByItsOwnLengthOnly) {
  arch::Rope rope;
  rope.kind = arch::RopeKind::dynamic;
  rope.factor = 2.0;
  RotaryTables tables(rope, 8, 16);
  const std::vector<std::int64_t> alone{24};
  const std::vector<std::int64_t> packed{10, 24, 12, 24};
  const Rotation one = tables.for_documents(Documents(alone));
  const Rotation many = tables.for_documents(Documents(packed));

  EXPECT_TRUE(many.sines.narrow(0, 10, 24).equal(one.sines));
  EXPECT_TRUE(many.sines.narrow(0, 46, 24).equal(one.sines));
  EXPECT_FALSE(many.sines.narrow(0, 34, 12).equal(one.sines.narrow(0, 0, 12)));
}

TEST(Rotary, ScalesCosinesByTheAttentionFactorOfYarn) {
  arch::Rope rope;
  rope.kind = arch::RopeKind::yarn;
  rope.factor = 4.0;
  rope.original_max_position_embeddings = 32;
  const RotaryFrequencies frequencies = rotary_frequencies(rope, 8, 128, 128);

  EXPECT_DOUBLE_EQ(frequencies.attention_factor, 0.1 * std::log(4.0) + 1.0);
  const at::Tensor first = RotaryTables(rope, 8, 128).for_positions(0, 1).cosines;
  EXPECT_TRUE(first.equal(at::full({1, 4}, frequencies.attention_factor, at::kFloat)));
}

TEST(Embedding, RefusesIdsOutsideTheVocabularyByNumber) {
  const at::Tensor weight = at::zeros({128, 4});
  at::Tensor output = at::empty({2, 4});
  for (const std::int64_t bad : {-1, 100, 127, 5000}) {
    const at::Tensor ids = at::full({2}, bad, at::kLong);
    test::expect_error(ExitCode::data, "token id " + std::to_string(bad) + " is outside",
                       [&] { embedding_forward(ids, weight, 100, output); });
    const std::vector<std::int64_t> list{99, bad};
    test::expect_error(ExitCode::data, "token id " + std::to_string(bad) + " is outside",
                       [&] { check_ids(list, 100); });
  }
}

TEST(Rotary, TurnsGradientsBackIntoTheFusedMatrixFromAnywhere) {
  RotaryTables tables(arch::Rope{}, 6, 64);
  const Rotation rotation = tables.for_positions(0, 5);
  const at::Tensor q = numbers(5, 24).view({5, 4, 6});
  const at::Tensor k = numbers(5, 12).mul(2).view({2, 5, 6}).transpose(0, 1);  // strided
  const at::Tensor v = numbers(5, 12).mul(3).view({5, 2, 6});
  at::Tensor turned_q = q.clone();
  at::Tensor turned_k = k.contiguous();
  rotate_back(turned_q, rotation);
  rotate_back(turned_k, rotation);
  at::Tensor fused = at::zeros({5, 48});
  const auto part = [&](std::int64_t first, std::int64_t count) {
    return fused.narrow(1, 6 * first, 6 * count).view({5, count, 6});
  };

  rotate_back_into(q, k, v, rotation, fused);
  EXPECT_TRUE(part(0, 4).equal(turned_q));
  EXPECT_TRUE(part(4, 2).equal(turned_k));
  EXPECT_TRUE(part(6, 2).equal(v));

  part(0, 4).copy_(q);
  part(4, 2).copy_(k);
  rotate_back_into(part(0, 4), part(4, 2), part(6, 2), rotation, fused);
  EXPECT_TRUE(part(0, 4).equal(turned_q)) << "in place";
  EXPECT_TRUE(part(4, 2).equal(turned_k)) << "in place";
  EXPECT_TRUE(part(6, 2).equal(v)) << "in place";
}

TEST(CrossEntropy, RefusesTargetsOutsideTheVocabularyByNumber) {
  CrossEntropyInput input{at::zeros({2, 4}),
                          at::zeros({128, 4}),
                          at::zeros({1}, at::kLong),
                          at::full({1}, 100, at::kLong),
                          100,
                          8};
  at::Tensor losses = at::empty({1});

  test::expect_error(ExitCode::data, "target token id 100",
                     [&] { linear_cross_entropy_forward(input, losses); });
}

TEST(CrossEntropy, KeepsLossesFiniteForHugeLogits) {
  const CrossEntropyInput input{at::full({2, 1}, 1e4F),
                                numbers(128, 1),
                                at::arange(2, at::kLong),
                                at::zeros({2}, at::kLong),
                                100,
                                8};
  at::Tensor losses = at::empty({2});
  at::Tensor grad_hidden = at::empty({2, 1});
  at::Tensor grad_head = at::empty({128, 1});

  linear_cross_entropy_backward(input, 0.5, losses, grad_hidden, grad_head);

  EXPECT_TRUE(losses.isfinite().all().item<bool>());
  EXPECT_TRUE(grad_head.isfinite().all().item<bool>());
  EXPECT_EQ(grad_head.narrow(0, 100, 28).abs().sum().item<float>(), 0.0F);
}

TEST(Gradients, KeepTheirBitsOnAnyNumberOfThreads) {
  const at::Tensor gradient = numbers(700, 300);
  const at::Tensor input = numbers(700, 300).mul(3);
  const at::Tensor inverse = at::ones({700});
  const at::Tensor ids = at::arange(700, at::kLong).remainder(13);
  expect_same_on_any_threads([&] {
    at::Tensor out = at::empty({300});
    linear_backward_bias(gradient, out);
    return out;
  });
  expect_same_on_any_threads([&] {
    at::Tensor out = at::empty({300});
    rms_norm_backward_weight(gradient, input, inverse, out);
    return out;
  });
  expect_same_on_any_threads([&] {
    at::Tensor out = at::zeros({13, 300});
    embedding_backward(gradient, ids, out);
    return out;
  });
}

TEST(Checks, NameWhatDoesNotFit) {
  at::Tensor output = at::empty({2, 3});
  test::expect_error(ExitCode::bug, "linear output is Float [2, 3], wanted Float [2, 4]", [&] {
    linear_forward(at::zeros({2, 5}), at::zeros({4, 5}), {}, output);
  });
  test::expect_error(ExitCode::bug, "operation on Int, wanted float32", [&] {
    linear_backward_bias(at::zeros({2, 3}, at::kInt), output = at::zeros({3}, at::kInt));
  });
}

}  // namespace
}  // namespace fg::ops
