#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace fg::comm {

/// One operation between ranks, as a report of a hang shows it.
struct Operation {
  std::string name;         // "send", "all_reduce_sum", …
  std::string tensor;       // "bfloat16 [2048, 4096]"
  std::uint64_t bytes = 0;  // of the tensor on this rank
  std::vector<int> peers;   // world ranks, this one not among them unless it speaks to itself
  std::optional<int> tag;   // of send and recv
};

/// The last operations of a process, over communicators that come from one another. Any thread.
class History {
public:
  static constexpr std::size_t kept = 256;

  /// Notes that an operation begins; its number, counted from 0.
  std::uint64_t begin(Operation operation);
  /// Notes that it has ended well. One that is no longer kept is ignored.
  void end(std::uint64_t number) noexcept;

  /// Writes {"rank", "written", what session::doing tells, "operations": [{"number", "operation",
  /// "tensor", "bytes", "peers", "tag", "begun", "ended"}]}, oldest first; times in seconds since
  /// 1970, `ended` null for what never ended. A file of that name is replaced. Error(cannot_save).
  void write(const std::filesystem::path& path, int world_rank) const;

private:
  using Time = std::chrono::system_clock::time_point;
  struct Entry {
    std::uint64_t number = 0;
    Operation operation;
    Time begun;
    std::optional<Time> ended;
  };

  mutable std::mutex mutex_;
  std::array<Entry, kept> entries_;
  std::uint64_t count_ = 0;
};

}  // namespace fg::comm
