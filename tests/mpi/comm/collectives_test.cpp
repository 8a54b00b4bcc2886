#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>

#include "world.hpp"

namespace fg::comm {
namespace {

constexpr at::ScalarType all_types[] = {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble,
                                        at::kLong,  at::kInt,      at::kByte, at::kBool};

TEST(Communicator, NumbersTheRanksAsTheSessionDoes) {
  const auto all = world();
  EXPECT_EQ(all->rank(), test::mpi_session().rank());
  EXPECT_EQ(all->size(), test::mpi_session().size());
  for (int r = 0; r < all->size(); ++r)
    EXPECT_EQ(all->world_ranks()[static_cast<std::size_t>(r)], r);
}

TEST(Communicator, BroadcastsEveryTypeFromEveryRank) {
  const auto all = world();
  for (const at::ScalarType type : all_types)
    for (int root = 0; root < all->size(); ++root) {
      const at::Tensor wanted = counting(type, {3, 7}, root);
      const at::Tensor values = all->rank() == root ? wanted.clone() : at::zeros({3, 7}, type);
      all->broadcast(values, root);
      EXPECT_TRUE(same(values, wanted)) << type << " from " << root;
    }
}

TEST(Communicator, BroadcastsOddSizesAndScalars) {
  const auto all = world();
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{}, {0}, {1}, {0, 5}, {13}, {1000, 3}}) {
    const at::Tensor wanted = counting(at::kFloat, shape, 4);
    const at::Tensor values = all->rank() == 0 ? wanted.clone() : at::zeros(shape, at::kFloat);
    all->broadcast(values, 0);
    EXPECT_TRUE(same(values, wanted)) << at::IntArrayRef(shape);
  }
}

TEST(Communicator, GathersEveryTypeInRankOrder) {
  const auto all = world();
  for (const at::ScalarType type : all_types) {
    const at::Tensor whole = at::zeros({all->size(), 5}, type);
    std::vector<at::Tensor> rows;
    for (int r = 0; r < all->size(); ++r) rows.push_back(whole[r]);
    all->all_gather(counting(type, {5}, all->rank()), rows);
    for (int r = 0; r < all->size(); ++r)
      EXPECT_TRUE(same(whole[r], counting(type, {5}, r))) << type << " of " << r;
  }
}

TEST(Communicator, GathersRowsThatDoNotDivide) {
  const auto all = world();
  // Rank r brings r rows, the first one none; each lies in the whole already.
  std::int64_t rows = 0;
  std::vector<std::int64_t> begins;
  for (int r = 0; r < all->size(); ++r) {
    begins.push_back(rows);
    rows += r;
  }
  const at::Tensor wanted = counting(at::kBFloat16, {rows, 9}, 1);
  const at::Tensor whole = at::zeros({rows, 9}, at::kBFloat16);
  std::vector<at::Tensor> parts;
  for (int r = 0; r < all->size(); ++r)
    parts.push_back(whole.narrow(0, begins[static_cast<std::size_t>(r)], r));
  const auto own = static_cast<std::size_t>(all->rank());
  parts[own].copy_(wanted.narrow(0, begins[own], all->rank()));
  all->all_gather(parts[own], parts);
  EXPECT_TRUE(same(whole, wanted));
}

TEST(Communicator, LeavesNobodyBehindABarrier) {
  const auto all = world();
  const at::Tensor came = at::zeros({1}, at::kInt);
  for (int turn = 0; turn < 20; ++turn) {
    all->barrier();
    came.fill_(1);
    all->all_reduce_sum(came);
    EXPECT_EQ(came.item<int>(), all->size());
  }
}

TEST(Communicator, MakesGroupsInAnyOrderOfTheirRanks) {
  const auto all = world();
  std::vector<int> backwards(all->world_ranks().rbegin(), all->world_ranks().rend());
  const auto turned = all->group(backwards);
  EXPECT_EQ(turned->size(), all->size());
  EXPECT_EQ(turned->rank(), all->size() - 1 - all->rank());
  EXPECT_EQ(turned->world_ranks(), backwards);
  const at::Tensor values = at::full({4}, static_cast<double>(all->rank()), at::kFloat);
  turned->broadcast(values, 0);
  EXPECT_EQ(values[0].item<float>(), static_cast<float>(all->size() - 1));
}

TEST(Communicator, KeepsGroupsApart) {
  const auto all = world();
  // Even and odd ranks, and each with its neighbour: as replicas and pipelines do.
  std::vector<int> alike, pair;
  for (int r = all->rank() % 2; r < all->size(); r += 2) alike.push_back(r);
  const int first = all->rank() / 2 * 2;
  for (int r = first; r < std::min(first + 2, all->size()); ++r) pair.push_back(r);
  const auto replicas = all->group(alike);
  const auto pipeline = all->group(pair);
  const auto alone = all->group({all->rank()});

  const at::Tensor sum_alike = at::full({11}, all->rank() + 1.0, at::kLong);
  const at::Tensor sum_pair = sum_alike.clone();
  const at::Tensor sum_alone = sum_alike.clone();
  replicas->all_reduce_sum(sum_alike);
  pipeline->all_reduce_sum(sum_pair);
  alone->all_reduce_sum(sum_alone);

  const auto wanted = [](const std::vector<int>& ranks) {
    std::int64_t sum = 0;
    for (const int rank : ranks) sum += rank + 1;
    return sum;
  };
  EXPECT_EQ(sum_alike[10].item<std::int64_t>(), wanted(alike));
  EXPECT_EQ(sum_pair[10].item<std::int64_t>(), wanted(pair));
  EXPECT_EQ(sum_alone[10].item<std::int64_t>(), all->rank() + 1);
  // A group of a group.
  const auto again = replicas->group(alike);
  EXPECT_EQ(again->rank(), replicas->rank());
  again->barrier();
}

TEST(Communicator, RefusesGroupsThatCannotBe) {
  const auto all = world();
  const auto refused = [&](const std::vector<int>& ranks) {
    test::expect_error(ExitCode::bug, "check failed", [&] { all->group(ranks); });
  };
  refused({});
  refused({all->size()});
  refused({all->rank(), all->rank()});
  if (all->size() > 1) refused({(all->rank() + 1) % all->size()});
  all->barrier();
}

}  // namespace
}  // namespace fg::comm
