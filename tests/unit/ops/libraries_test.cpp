#include <string>

#include <gtest/gtest.h>

#include <fg/ops/libraries.hpp>

namespace {

// Ranks compare it, and builds for unlike GPUs train together.
TEST(TensorVersion, LeavesOutWhatTheKernelsAreFor) {
  const std::string version = fg::ops::tensor_version();
  EXPECT_EQ(version.find("kernels"), std::string::npos) << version;
  const std::string without_end = version.substr(0, version.find(')'));
  EXPECT_TRUE(fg::ops::tensor_library().starts_with(without_end)) << version;
}

}  // namespace
