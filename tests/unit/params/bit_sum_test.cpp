#include <set>
#include <string>

#include <gtest/gtest.h>

#include <fg/params/bit_sum.hpp>
#include <fg/params/initialise.hpp>
#include <fg/test/tiny_config.hpp>

namespace fg::params {
namespace {

TEST(BitSum, TellsEveryChangedWeight) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const arch::ModelConfig config = test::tiny_config(arch::Family::llama);
    Parameters parameters(plan_layout(config, whole(config)), type);
    initialise(parameters, 3, 0.02);
    const std::string before = bit_sum(parameters);
    EXPECT_EQ(before.size(), 32u);

    std::set<std::string> sums{before};
    const std::size_t count = parameters.layout().fused.size();
    for (std::size_t index = 0; index < count; ++index) {
      const at::Tensor last =
          parameters.fused(index).view(-1).narrow(0, parameters.fused(index).numel() - 1, 1);
      const at::Tensor kept = last.clone();
      last.add_(1);
      sums.insert(bit_sum(parameters));
      last.copy_(kept);
    }
    EXPECT_EQ(sums.size(), count + 1);
    EXPECT_EQ(bit_sum(parameters), before);
  }
}

}  // namespace
}  // namespace fg::params
