#include "fg/device/errors.hpp"

#include <stdexcept>

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::device {
namespace {

const c10::SourceLocation here{"here", "here.cpp", 1};

TEST(DeviceErrors, TellWhatToDoWhereMemoryIsNotEnough) {
  const auto body = [] {
    throw c10::OutOfMemoryError(here, "CUDA out of memory. Tried to allocate 2.00 GiB.\nSee docs");
  };
  test::expect_error(ExitCode::usage, "Tried to allocate 2.00 GiB. Take less",
                     [&] { translating_errors("Take less", body); });
}

TEST(DeviceErrors, NameALostGpuByItsOwnCode) {
  const auto body = [] {
    throw c10::AcceleratorError(here, 999, "CUDA error: unspecified launch failure\nstack");
  };
  test::expect_error(ExitCode::rank_lost, "the GPU failed: CUDA error: unspecified launch failure",
                     [&] { translating_errors("", body); });
}

TEST(DeviceErrors, LeaveOthersAsTheyAre) {
  EXPECT_THROW(translating_errors("", [] { throw std::runtime_error("other"); }),
               std::runtime_error);
  test::expect_error(ExitCode::data, "ours",
                     [] { translating_errors("", [] { fail(ExitCode::data, "ours"); }); });
  EXPECT_EQ(translating_errors("", [] { return 3; }), 3);
}

}  // namespace
}  // namespace fg::device
