#include "fg/ops/documents.hpp"

#include <algorithm>
#include <atomic>
#include <limits>

#include <ATen/ops/empty.h>

#include <fg/base/error.hpp>
#include <fg/device/transfer.hpp>

namespace fg::ops {

Documents::Documents(std::span<const std::int64_t> lengths) {
  starts_.reserve(lengths.size() + 1);
  for (const std::int64_t length : lengths) {
    FG_CHECK(length >= 0);
    starts_.push_back(starts_.back() + length);
    longest_ = std::max(longest_, length);
  }
}

bool Documents::is_uniform() const noexcept {
  return tokens() == count() * longest_;
}

void Documents::place_on(at::Device device) {
  if (device.is_cpu()) return;
  const at::Tensor starts =
      at::empty({static_cast<std::int64_t>(starts_.size())}, at::TensorOptions(at::kInt));
  std::ranges::transform(starts_, starts.data_ptr<std::int32_t>(), [](std::int64_t start) {
    FG_CHECK(start <= std::numeric_limits<std::int32_t>::max());
    return static_cast<std::int32_t>(start);
  });
  placed_ = device::upload(starts, device);
  static std::atomic<std::uint64_t> count{0};
  number_ = ++count;
}

}  // namespace fg::ops
