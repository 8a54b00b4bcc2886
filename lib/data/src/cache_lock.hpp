#pragma once

#include <filesystem>
#include <functional>

namespace fg::data {

/// Held by the one process that makes a cache entry; others wait in the constructor, calling `idle`
/// now and then. Where the file system has no locks nobody waits, and the entry may be made twice.
/// Error(cannot_save).
class CacheLock {
public:
  CacheLock(const std::filesystem::path& path, const std::function<void()>& idle);
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;
  ~CacheLock();

  /// False on a file system without locks: others may be at work on the same entry.
  bool is_held() const noexcept { return descriptor_ >= 0; }

private:
  bool try_once();

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace fg::data
