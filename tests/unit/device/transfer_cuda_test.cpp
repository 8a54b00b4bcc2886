#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <fg/device/device.hpp>
#include <fg/device/memory.hpp>
#include <fg/device/parking.hpp>
#include <fg/device/transfer.hpp>
#include <fg/test/gpu.hpp>

namespace fg::device {
namespace {

const at::Device gpu(at::kCUDA, 0);
constexpr std::int64_t many = std::int64_t{32} << 20;  // 128 MiB: milliseconds on the way

at::Tensor numbered(double value) {
  return at::full({many}, value, at::TensorOptions(at::kFloat).device(gpu));
}

TEST(UploadOnGpu, TakesTheValuesOfItsMomentWithoutWaiting) {
  FG_REQUIRE_GPU();
  use(gpu);
  at::Tensor host = at::arange(0, many, at::kFloat);
  const at::Tensor wanted = host.clone();
  upload(host, gpu);  // the pinned memory is there now
  const std::uint64_t before = host_waits();
  const at::Tensor there = upload(host, gpu);
  host.zero_();
  EXPECT_EQ(host_waits(), before);
  EXPECT_TRUE(at::equal(there.cpu(), wanted));
}

TEST(ReadbackOnGpu, GivesTheValuesOnceTheyAreThere) {
  FG_REQUIRE_GPU();
  use(gpu);
  at::Tensor there = numbered(1);
  Readback readback(there);
  there.fill_(2);  // queued behind the copy
  EXPECT_EQ(readback.values().sum().item<double>(), static_cast<double>(many));
}

TEST(ParkingOnGpu, BringsBackWhatItTookThoughItsMemoryWasUsedSince) {
  FG_REQUIRE_GPU();
  use(gpu);
  Parking parking(gpu);
  std::vector<std::shared_ptr<Parked>> all;
  for (int number = 1; number <= 6; ++number) all.push_back(parking.park(numbered(number)));
  std::vector<at::Tensor> others;
  for (int number = 0; number < 6; ++number) others.push_back(numbered(-1));
  others.clear();
  for (int number = 6; number >= 1; --number) {
    // At once, with nothing between the request and the use.
    const at::Tensor back = parking.take(*all[static_cast<std::size_t>(number - 1)]);
    EXPECT_EQ(back.sub(number).abs().max().item<float>(), 0.0F) << number;
  }
}

TEST(ParkingOnGpu, HoldsNoMoreThanTwoOnTheirWayOut) {
  FG_REQUIRE_GPU();
  use(gpu);
  Parking parking(gpu);
  synchronise(gpu);
  reset_peak(gpu);
  const std::uint64_t before = memory_of(gpu).allocated;
  std::vector<std::shared_ptr<Parked>> all;
  for (int number = 1; number <= 8; ++number) all.push_back(parking.park(numbered(number)));
  EXPECT_LE(memory_of(gpu).peak_allocated - before, 4U * many * 3);
}

}  // namespace
}  // namespace fg::device
