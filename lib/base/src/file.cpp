#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/base/owned.hpp>

namespace fg {
namespace {

void close_quietly(int descriptor) {
  ::close(descriptor);
}
using Descriptor = Owned<int, close_quietly, -1>;

[[noreturn]] void fail_errno(ExitCode code, const std::filesystem::path& path, const char* doing,
                             int error_number) {
  fail(code, path.string() + ": cannot " + doing + ": " + errno_text(error_number));
}

Descriptor open_regular(const std::filesystem::path& path, struct stat& status) {
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.empty()) fail_errno(ExitCode::cannot_load, path, "open", errno);
  if (::fstat(descriptor.get(), &status) != 0)
    fail_errno(ExitCode::cannot_load, path, "stat", errno);
  if (!S_ISREG(status.st_mode)) fail(ExitCode::cannot_load, path.string() + ": not a regular file");
  return descriptor;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  struct stat status {};
  const Descriptor descriptor = open_regular(path, status);
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;  // mmap refuses length 0
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
  if (address == MAP_FAILED) fail_errno(ExitCode::cannot_load, path, "map", errno);
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::drop(std::size_t begin, std::size_t size) const noexcept {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t first = (begin + page - 1) / page * page;
  const std::size_t last = (begin + size) / page * page;
  if (data_ == nullptr || first >= last || last > size_) return;
  ::madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED);
}

OutputFile::OutputFile(std::filesystem::path path) : path_(std::move(path)) {
  fail_point("file.create");
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_errno(ExitCode::cannot_save, path_, "create", errno);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      position_(other.position_) {}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void OutputFile::reserve(std::uint64_t size) {
  if (size == 0) return;
  const int status = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size));
  if (status == ENOSPC || status == EDQUOT || status == EFBIG)
    fail_errno(ExitCode::cannot_save, path_, ("reserve " + std::to_string(size) + " bytes").c_str(),
               status);
}

void OutputFile::write(std::span<const std::byte> bytes) {
  write_at(position_, bytes);
  position_ += bytes.size();
}

void OutputFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}

void OutputFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  fail_point("file.write");
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail_errno(ExitCode::cannot_save, path_, "write", count < 0 ? errno : EIO);
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void OutputFile::finish() {
  fail_point("file.sync");
  if (::fsync(descriptor_) != 0) fail_errno(ExitCode::cannot_save, path_, "sync", errno);
  if (::close(std::exchange(descriptor_, -1)) != 0)
    fail_errno(ExitCode::cannot_save, path_, "close", errno);
}

std::string read_text(const std::filesystem::path& path, std::uint64_t max_bytes) {
  struct stat status {};
  const Descriptor descriptor = open_regular(path, status);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes)
    fail(ExitCode::cannot_load, path.string() + ": " + std::to_string(size) +
                                    " bytes, more than the limit of " + std::to_string(max_bytes));
  std::string text(size, '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t count = ::read(descriptor.get(), text.data() + filled, text.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_errno(ExitCode::cannot_load, path, "read", errno);
    if (count == 0) break;  // cut while we read: what is left is what the file holds now
    filled += static_cast<std::size_t>(count);
  }
  text.resize(filled);
  return text;
}

void write_synced(const std::filesystem::path& path, std::string_view text) {
  OutputFile file(path);
  file.write(text);
  file.finish();
}

void sync_path(const std::filesystem::path& path) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.empty()) fail_errno(ExitCode::cannot_save, path, "open", errno);
  if (::fsync(descriptor.get()) != 0) fail_errno(ExitCode::cannot_save, path, "sync", errno);
}

std::uint64_t free_space(const std::filesystem::path& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0)
    fail_errno(ExitCode::cannot_save, folder, "ask the free space of", errno);
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace fg
