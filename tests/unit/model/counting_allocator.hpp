#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

namespace fg::test {

/// Stands in front of LibTorch's CPU allocator while it lives, and counts what tensors hold. What
/// it gave out may outlive it.
class CountingAllocator final : public c10::Allocator {
public:
  CountingAllocator() : counts_(std::make_shared<Counts>()) { c10::SetCPUAllocator(this); }
  ~CountingAllocator() override { c10::SetCPUAllocator(c10::GetDefaultCPUAllocator()); }
  CountingAllocator(const CountingAllocator&) = delete;
  CountingAllocator& operator=(const CountingAllocator&) = delete;

  c10::DataPtr allocate(std::size_t bytes) override {
    c10::DataPtr memory = c10::GetDefaultCPUAllocator()->allocate(bytes);
    void* const data = memory.get();
    if (data == nullptr) return memory;
    const auto size = static_cast<std::int64_t>(bytes);
    counts_->add(size);
    const std::lock_guard lock(blocks().mutex);
    blocks().by_place[data] = {std::move(memory), counts_, size};
    return {data, data, &CountingAllocator::release, c10::Device(c10::kCPU)};
  }
  /// For what asks for bare memory, as products do on processors with units for bfloat16.
  c10::DeleterFnPtr raw_deleter() const override { return &CountingAllocator::release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  std::int64_t held() const { return counts_->held; }
  /// The most that was held since the last call of `forget_peak`.
  std::int64_t peak() const { return counts_->peak; }
  void forget_peak() { counts_->peak = counts_->held; }

private:
  struct Counts {
    void add(std::int64_t bytes) {
      const std::lock_guard lock(mutex);
      held += bytes;
      if (held > peak) peak = held;
    }
    std::mutex mutex;
    std::int64_t held = 0;
    std::int64_t peak = 0;
  };
  struct Block {
    c10::DataPtr memory;
    std::shared_ptr<Counts> counts;
    std::int64_t bytes = 0;
  };

  struct Blocks {
    std::mutex mutex;
    std::unordered_map<void*, Block> by_place;
  };
  static Blocks& blocks() {
    static Blocks& all = *new Blocks;  // tensors of other statics may outlive any static
    return all;
  }

  static void release(void* data) {
    Block block;
    {
      const std::lock_guard lock(blocks().mutex);
      const auto found = blocks().by_place.find(data);
      block = std::move(found->second);
      blocks().by_place.erase(found);
    }
    block.counts->add(-block.bytes);
  }

  std::shared_ptr<Counts> counts_;
};

}  // namespace fg::test
