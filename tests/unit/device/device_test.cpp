#include "fg/device/device.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/device/memory.hpp>
#include <fg/device/parking.hpp>
#include <fg/device/transfer.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::device {
namespace {

at::Tensor some_numbers() {
  return at::arange(0, 1000, at::kFloat);
}

TEST(ChooseDevice, TakesTheCpuWhereItIsAskedFor) {
  EXPECT_TRUE(choose_device("cpu", 0).is_cpu());
}

TEST(ChooseDevice, TakesTheCpuByItselfWhereThereIsNoGpu) {
  if (gpu_count() > 0) GTEST_SKIP() << "[no-gpu] there is a GPU";
  EXPECT_TRUE(choose_device("auto", 0).is_cpu());
  EXPECT_TRUE(choose_device("auto", 7).is_cpu()) << "any number of processes fits the CPU";
}

TEST(ChooseDevice, RefusesAGpuThatIsNotThere) {
  test::expect_error(ExitCode::usage, std::to_string(gpu_count()),
                     [] { describe_gpu(gpu_count()); });
  EXPECT_THROW(choose_device(std::to_string(gpu_count()), 0), Error);
}

TEST(ChooseDevice, RefusesWhatIsNoDevice) {
  for (const char* words : {"", "gpu", "0,", "-1", "0;1", "1.5"})
    test::expect_error(ExitCode::usage, std::string("--devices ") + words,
                       [&] { choose_device(words, 0); });
}

TEST(CpuMemory, IsNotCountedHere) {
  const Memory memory = memory_of(c10::kCPU);
  EXPECT_EQ(memory.allocated + memory.peak_allocated + memory.total, 0U);
}

TEST(Upload, IsTheTensorItselfOnTheCpu) {
  const at::Tensor numbers = some_numbers();
  EXPECT_TRUE(upload(numbers, at::kCPU).is_same(numbers));
}

TEST(Readback, KeepsTheValuesOfItsMoment) {
  at::Tensor numbers = some_numbers();
  EXPECT_FALSE(Readback().is_pending());
  Readback readback(numbers);
  numbers.zero_();
  EXPECT_TRUE(readback.is_pending());
  EXPECT_TRUE(at::equal(readback.values(), some_numbers()));
}

TEST(Parking, LeavesACpuTensorWhereItIs) {
  Parking parking(at::kCPU);
  const at::Tensor numbers = some_numbers();
  const auto parked = parking.park(numbers);
  parking.fetch(*parked);
  EXPECT_TRUE(parking.take(*parked).is_same(numbers));
}

TEST(Waits, AreNoneOnTheCpu) {
  const std::uint64_t before = host_waits();
  synchronise(c10::kCPU);
  Readback(some_numbers()).values();
  EXPECT_EQ(host_waits(), before);
}

}  // namespace
}  // namespace fg::device
