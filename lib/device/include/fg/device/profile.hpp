#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace fg::device {

/// One piece of work on a GPU: a kernel, a copy or a fill.
struct KernelSpan {
  std::string name;
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

/// Watches LibTorch's operations and all that GPUs do, through LibTorch's own profiler, from the
/// constructor on. One at a time; the watched work is slower than other work.
class Profile {
public:
  Profile();
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  /// Ends it, once the GPU is done (synchronise before). What GPUs did, by its beginning. Writes a
  /// Chrome trace to `trace` unless that is empty; an existing file is replaced.
  /// Error(cannot_save).
  std::vector<KernelSpan> finish(const std::filesystem::path& trace);

private:
  bool runs_ = true;
};

}  // namespace fg::device
