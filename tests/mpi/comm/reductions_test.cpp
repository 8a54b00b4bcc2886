#include <cmath>
#include <random>

#include <c10/util/BFloat16.h>
#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>

#include "world.hpp"

namespace fg::comm {
namespace {

/// What rank r brings: numbers of very different size and either sign, so that each order of adding
/// and each rounding has its own bits.
std::vector<float> brought(int rank, std::int64_t count) {
  std::mt19937 random(static_cast<unsigned>(rank) + 17);
  std::vector<float> numbers(static_cast<std::size_t>(count));
  for (float& number : numbers) {
    number = static_cast<float>(random() % 100'003) / 100'003.0F;
    number = std::ldexp(number, static_cast<int>(random() % 12));
    if (random() % 2 == 0) number = -number;
  }
  return numbers;
}

float same_type(float number) {
  return number;
}
float to_bfloat16(float number) {
  return static_cast<float>(c10::BFloat16(number));
}

/// One process after the other, each addition in float32 and rounded by `keep`.
template <typename Bring, typename Keep>
std::vector<float> in_rank_order(int ranks, std::int64_t count, Bring&& bring, Keep&& keep) {
  std::vector<float> sum;
  for (int r = 0; r < ranks; ++r) {
    const std::vector<float> numbers = brought(r, count);
    for (std::size_t i = 0; i < numbers.size(); ++i)
      if (r == 0)
        sum.push_back(keep(bring(numbers[i])));
      else
        sum[i] = keep(sum[i] + bring(numbers[i]));
  }
  return sum;
}

at::Tensor tensor_of(const std::vector<float>& numbers, at::ScalarType type) {
  const at::Tensor values = at::empty({static_cast<std::int64_t>(numbers.size())}, at::kFloat);
  std::copy(numbers.begin(), numbers.end(), values.data_ptr<float>());
  return values.to(type);
}

constexpr std::int64_t counts[] = {0, 1, 2, 3, 5, 64, 997};

TEST(Sum, OfFloat32IsThatOfOneProcessInRankOrder) {
  const auto all = world();
  for (const std::int64_t count : counts) {
    const at::Tensor values = tensor_of(brought(all->rank(), count), at::kFloat);
    all->all_reduce_sum(values);
    EXPECT_TRUE(same(
        values, tensor_of(in_rank_order(all->size(), count, same_type, same_type), at::kFloat)))
        << count;
  }
}

TEST(Sum, OfBfloat16RoundsAfterEachRankAsOneProcessDoes) {
  const auto all = world();
  for (const std::int64_t count : counts) {
    const at::Tensor values = tensor_of(brought(all->rank(), count), at::kBFloat16);
    all->all_reduce_sum(values);
    EXPECT_TRUE(same(values, tensor_of(in_rank_order(all->size(), count, to_bfloat16, to_bfloat16),
                                       at::kBFloat16)))
        << count;
  }
}

TEST(Sum, OfBfloat16InFloat32LosesNothing) {
  const auto all = world();
  for (const std::int64_t count : counts) {
    const at::Tensor mine = tensor_of(brought(all->rank(), count), at::kBFloat16);
    const at::Tensor kept = mine.clone();
    const at::Tensor sum = at::full({count}, -7.0, at::kFloat);
    all->all_reduce_sum(mine, sum);
    EXPECT_TRUE(
        same(sum, tensor_of(in_rank_order(all->size(), count, to_bfloat16, same_type), at::kFloat)))
        << count;
    EXPECT_TRUE(same(mine, kept));
  }
}

/// Whole blocks and pieces of the real size, and a group whose order is not the world's.
TEST(Sum, FollowsTheOrderOfTheGroup) {
  const auto all = world(Options{});
  std::vector<int> backwards(all->world_ranks().rbegin(), all->world_ranks().rend());
  const auto turned = all->group(backwards);
  constexpr std::int64_t count = 300'007;
  const at::Tensor values = tensor_of(brought(turned->rank(), count), at::kFloat);
  turned->all_reduce_sum(values);
  EXPECT_TRUE(
      same(values, tensor_of(in_rank_order(all->size(), count, same_type, same_type), at::kFloat)));
}

template <typename Number>
void expect_exact_sums(at::ScalarType type, Number most) {
  const auto all = world();
  const at::Tensor values = at::empty({3, 11}, type);
  for (std::int64_t i = 0; i < values.numel(); ++i)
    values.data_ptr<Number>()[i] =
        most / static_cast<Number>(all->size()) - static_cast<Number>(i + all->rank());
  all->all_reduce_sum(values);
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    Number sum = 0;
    for (int r = 0; r < all->size(); ++r)
      sum += most / static_cast<Number>(all->size()) - static_cast<Number>(i + r);
    EXPECT_EQ(values.data_ptr<Number>()[i], sum);
  }
}

TEST(Sum, OfIntegersAndFloat64IsExact) {
  expect_exact_sums<std::int64_t>(at::kLong, std::int64_t{1} << 62);
  expect_exact_sums<std::int32_t>(at::kInt, 1 << 30);
  expect_exact_sums<double>(at::kDouble, 1e15);
}

TEST(Sum, RefusesWhatItCannotAdd) {
  const auto all = world();
  const at::Tensor values = at::zeros({4, 4}, at::kFloat);
  test::expect_error(ExitCode::bug, "no sums of float16 [2]",
                     [&] { all->all_reduce_sum(at::zeros({2}, at::kHalf)); });
  test::expect_error(ExitCode::bug, "not contiguous", [&] { all->all_reduce_sum(values.t()); });
  test::expect_error(ExitCode::bug, "check failed",
                     [&] { all->all_reduce_sum(values, at::zeros({16}, at::kFloat)); });
  test::expect_error(ExitCode::bug, "check failed", [&] {
    all->all_reduce_sum(values, at::zeros({4, 4}, at::kInt));
  });
}

}  // namespace
}  // namespace fg::comm
