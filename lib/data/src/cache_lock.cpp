#include "cache_lock.hpp"

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/log/log.hpp>

namespace fg::data {

CacheLock::CacheLock(const std::filesystem::path& path, const std::function<void()>& idle)
    : path_(path) {
  for (bool told = false; !try_once(); told = true) {
    if (!told) log::info("waiting for another process that tokenises the same data");
    if (idle) idle();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

/// False if another holds it.
bool CacheLock::try_once() {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (descriptor_ < 0)
    fail(ExitCode::cannot_save,
         path_.string() + ": cannot make the lock file: " + errno_text(errno));
  if (fault_planted("data.cache_lock_ignored")) return true;
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {
    // The holder before may have removed the file while it was being opened here.
    struct stat held {};
    struct stat named {};
    if (::fstat(descriptor_, &held) == 0 && ::stat(path_.c_str(), &named) == 0 &&
        held.st_dev == named.st_dev && held.st_ino == named.st_ino)
      return true;
  } else if (errno != EWOULDBLOCK && errno != EINTR) {
    ::close(std::exchange(descriptor_, -1));
    return true;  // a file system without locks
  }
  ::close(std::exchange(descriptor_, -1));
  return false;
}

CacheLock::~CacheLock() {
  if (descriptor_ < 0) return;
  ::unlink(path_.c_str());
  ::close(descriptor_);
}

}  // namespace fg::data
