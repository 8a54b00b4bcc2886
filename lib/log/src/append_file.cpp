#include "append_file.hpp"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

namespace fg::log {
namespace {

[[noreturn]] void fail_errno(const std::filesystem::path& path, const char* doing) {
  fail(ExitCode::cannot_save, path.string() + ": cannot " + doing + ": " + errno_text(errno));
}

}  // namespace

AppendFile::AppendFile(std::filesystem::path path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_errno(path_, "open");
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void AppendFile::append(std::string_view piece) {
  fail_point("log.append");
  const off_t before = ::lseek(descriptor_, 0, SEEK_END);
  ssize_t count = 0;
  do {
    count = ::write(descriptor_, piece.data(), piece.size());
  } while (count < 0 && errno == EINTR);
  if (count == static_cast<ssize_t>(piece.size())) return;
  if (count >= 0) errno = ENOSPC;  // a short write to a file is a full disk or quota
  const int reason = errno;
  if (count > 0 && before >= 0 && ::ftruncate(descriptor_, before) != 0) {
    // The half line stays; whoever reads the file drops it.
  }
  errno = reason;
  fail_errno(path_, "write");
}

void AppendFile::sync() {
  if (::fsync(descriptor_) != 0) fail_errno(path_, "sync");
}

}  // namespace fg::log
