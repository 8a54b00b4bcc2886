#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

namespace fg::ops {

/// Where the documents of a packed batch lie: document d is rows [starts[d], starts[d + 1]). Made
/// once a batch on the host (the cu_seqlens of variable-length attention). Documents may be empty.
class Documents {
public:
  Documents() = default;
  /// Lengths in order; none negative, else Error(bug).
  explicit Documents(std::span<const std::int64_t> lengths);

  /// One more than there are documents, beginning with 0.
  std::span<const std::int64_t> starts() const noexcept { return starts_; }
  std::int64_t count() const noexcept { return static_cast<std::int64_t>(starts_.size()) - 1; }
  std::int64_t tokens() const noexcept { return starts_.back(); }
  std::int64_t longest() const noexcept { return longest_; }
  /// True where all have the same length: rows without packing.
  bool is_uniform() const noexcept;

  /// Brings the starts to a GPU, for kernels there; nothing for the CPU.
  void place_on(at::Device device);
  /// The starts, int32, on the device they were placed on.
  const at::Tensor& placed_starts() const noexcept { return placed_; }
  /// Tells batches on GPUs apart: counted up by place_on. 0 before.
  std::uint64_t number() const noexcept { return number_; }

private:
  std::vector<std::int64_t> starts_{0};
  std::int64_t longest_ = 0;
  at::Tensor placed_;
  std::uint64_t number_ = 0;
};

}  // namespace fg::ops
