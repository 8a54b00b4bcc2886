#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>

#include "transport.hpp"

namespace fg::comm {
namespace {

Shared shared(Options{}, 3);
const Operation operation{"test", "", 0, {3}, std::nullopt};
const Waiting waiting(shared, operation, 0);

TEST(LocalTransport, CopiesWhatIsAddedUpAndGathered) {
  const auto alone = local_transport(3);
  const at::Tensor mine = at::full({3}, 1.5, at::kBFloat16);
  const at::Tensor sum = at::zeros({3}, at::kFloat);
  alone->all_reduce_sum(mine, sum, waiting);
  EXPECT_TRUE(at::equal(sum, at::full({3}, 1.5, at::kFloat)));

  const std::vector<at::Tensor> all = {at::zeros({3}, at::kBFloat16)};
  alone->all_gather(mine, all, waiting);
  EXPECT_TRUE(at::equal(all[0], mine));
}

TEST(LocalTransport, KeepsWhatWasSentAsItWasThen) {
  const auto alone = local_transport(3);
  const at::Tensor values = at::full({2}, 1.0, at::kFloat);
  const at::Tensor first = at::zeros({2}, at::kFloat);
  const at::Tensor second = at::zeros({2}, at::kFloat);
  const auto receive_first = alone->recv(first, 0, 4, waiting);
  const auto receive_second = alone->recv(second, 0, 4, waiting);
  EXPECT_FALSE(receive_second->advance());
  alone->send(values, 0, 4, waiting);
  values.fill_(2);
  alone->send(values, 0, 5, waiting);
  EXPECT_FALSE(receive_second->advance());  // of another tag
  alone->send(values, 0, 4, waiting);
  EXPECT_TRUE(receive_second->advance());
  EXPECT_TRUE(receive_first->advance());
  EXPECT_EQ(first[0].item<float>(), 1.0F);
  EXPECT_EQ(second[0].item<float>(), 2.0F);
}

TEST(LocalTransport, ComparesTypesAndShapes) {
  const auto alone = local_transport(3);
  alone->send(at::zeros({2, 3}, at::kFloat), 0, 0, waiting);
  test::expect_error(ExitCode::ranks_disagree,
                     {"rank 3 sent itself float32 [2, 3]", "expects float32 [6]"},
                     [&] { alone->recv(at::zeros({6}, at::kFloat), 0, 0, waiting)->advance(); });
}

}  // namespace
}  // namespace fg::comm
