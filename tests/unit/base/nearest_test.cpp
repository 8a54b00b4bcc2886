#include <vector>

#include <gtest/gtest.h>

#include <fg/base/nearest.hpp>

namespace fg {
namespace {

TEST(Nearest, FindsTheWordThatWasMeant) {
  const std::vector<std::string> known = {"warmup_steps", "weight_decay", "lr"};

  EXPECT_EQ(nearest("warmup_step", known), "warmup_steps");
  EXPECT_EQ(did_you_mean("wieght_decay", known), "; did you mean 'weight_decay'?");
}

TEST(Nearest, SaysNothingWhenNoWordIsClose) {
  const std::vector<std::string> known = {"warmup_steps", "lr"};

  EXPECT_EQ(nearest("banana", known), std::nullopt);
  EXPECT_EQ(did_you_mean("zz", known), "");
}

}  // namespace
}  // namespace fg
