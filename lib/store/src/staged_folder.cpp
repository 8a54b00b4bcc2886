#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <random>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/base/units.hpp>
#include <fg/store/staged_folder.hpp>

namespace fg::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t id_digits = 16;
constexpr std::string_view staging_mark = ".tmp-";
constexpr std::string_view old_mark = ".old-";

[[noreturn]] void refuse(const fs::path& path, const std::string& why) {
  fail(ExitCode::cannot_save, path.string() + ": " + why);
}

std::string make_id() {
  std::random_device random;
  std::array<char, id_digits + 1> text{};
  std::snprintf(text.data(), text.size(), "%08x%08x", random(), random());
  return {text.data(), id_digits};
}

/// `<parent>/<name>` with the parent's links resolved, so that later steps all mean one folder.
fs::path resolve_target(const fs::path& target) {
  fs::path plain = fs::absolute(target).lexically_normal();
  if (plain.filename().empty()) plain = plain.parent_path();  // "folder/"
  if (plain.filename().empty()) refuse(target, "is no folder that could be made");
  std::error_code error;
  const fs::path parent = fs::canonical(plain.parent_path(), error);
  if (error || !fs::is_directory(parent, error))
    refuse(target, "the folder it is to lie in, " + plain.parent_path().string() +
                       ", does not exist; make it first");
  return parent / plain.filename();
}

/// Folders `<start><id>`.
std::vector<fs::path> find_marked(const fs::path& parent, const std::string& start) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::error_code ignored;
    if (name.size() == start.size() + id_digits && name.starts_with(start) &&
        name.find_first_not_of("0123456789abcdef", start.size()) == std::string::npos &&
        fs::is_directory(entry->symlink_status(ignored)))
      found.push_back(entry->path());
  }
  if (error) refuse(parent, "cannot list the folder: " + error.message());
  return found;
}

void remove_folder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) refuse(folder, "cannot remove what an earlier run left: " + error.message());
}

bool is_there(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::symlink_status(path, error).type();
  if (type == fs::file_type::none) refuse(path, "cannot stat: " + error.message());
  return type != fs::file_type::not_found;
}

/// renameat2; false where the kernel or the file system does not know the flag.
bool rename_with(const fs::path& from, const fs::path& to, unsigned flag) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flag) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS) return false;
  if (errno == EEXIST) refuse(to, "has come into being while it was being made");
  refuse(to, "cannot rename " + from.string() + " to it: " + errno_text(errno));
}

void rename_plainly(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    refuse(to, "cannot rename " + from.string() + " to it: " + errno_text(errno));
}

void sync_tree(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    const fs::file_status status = entry->symlink_status(ignored);
    if (fs::is_directory(status)) sync_tree(entry->path());
    if (fs::is_regular_file(status)) sync_path(entry->path());
  }
  if (error) refuse(folder, "cannot list the folder: " + error.message());
  sync_path(folder);
}

}  // namespace

StagedFolder::StagedFolder(const fs::path& target, Overwrite overwrite,
                           const std::string& staging_name)
    : target_(resolve_target(target)),
      lock_path_(target_.parent_path() / ("." + target_.filename().string() + ".fg-lock")),
      overwrite_(overwrite) {
  try {
    lock();
    const std::string mark = target_.filename().string() + std::string(staging_mark);
    const std::string name = staging_name.empty() ? mark + make_id() : staging_name;
    FG_CHECK(name.size() > id_digits);
    if (locked_) clean_up(name.substr(0, name.size() - id_digits));
    check_target();
    const fs::path staging = target_.parent_path() / name;
    fail_point("stage.before_make");
    if (::mkdir(staging.c_str(), 0755) != 0)
      refuse(staging, "cannot make the folder: " + errno_text(errno));
    staging_ = staging;
    fail_point("stage.after_make");
  } catch (...) {
    release();
    throw;
  }
}

StagedFolder::~StagedFolder() {
  release();
}

/// The file of a lock is unlinked when it is given back, so a lock counts only on the file that has
/// the name now.
void StagedFolder::lock() {
  while (!locked_) {
    lock_ = ::open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (lock_ < 0) refuse(lock_path_, "cannot make the lock file: " + errno_text(errno));
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
      const int reason = errno;
      ::close(std::exchange(lock_, -1));
      if (reason == EWOULDBLOCK)
        refuse(target_,
               "is being written by another run, which holds the lock on " + lock_path_.string());
      if (reason == EINTR) continue;
      ::unlink(lock_path_.c_str());
      return;  // a file system without locks
    }
    struct stat held {};
    struct stat named {};
    locked_ = ::fstat(lock_, &held) == 0 && ::stat(lock_path_.c_str(), &named) == 0 &&
              held.st_dev == named.st_dev && held.st_ino == named.st_ino;
    if (!locked_) ::close(std::exchange(lock_, -1));
  }
}

void StagedFolder::clean_up(const std::string& staging_start) const {
  if (fault_planted("store.leftovers_stay")) return;
  const fs::path parent = target_.parent_path();
  const std::string name = target_.filename().string();
  for (const fs::path& old : find_marked(parent, name + std::string(old_mark))) {
    if (is_there(target_))
      remove_folder(old);
    else
      rename_plainly(old, target_);
  }
  for (const fs::path& staging : find_marked(parent, staging_start)) remove_folder(staging);
}

void StagedFolder::check_target() const {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(target_, error);
  if (status.type() == fs::file_type::not_found) return;
  if (fs::is_symlink(status)) refuse(target_, "is a symbolic link; name the folder itself");
  if (overwrite_ == Overwrite::no)
    refuse(target_, "exists; remove it, choose another, or replace it (--overwrite)");
  if (!fs::is_directory(status)) refuse(target_, "exists and is no folder");
  for (fs::directory_iterator entry(target_, error), end; !error && entry != end;
       entry.increment(error))
    if (fs::is_directory(entry->symlink_status()))
      refuse(target_, "holds the folder " + entry->path().filename().string() +
                          ", which overwriting would delete; remove or move it yourself");
  if (error) refuse(target_, "cannot list the folder: " + error.message());
}

void StagedFolder::commit() {
  FG_CHECK(!staging_.empty());
  if (fault_planted("store.rename_before_sync")) put_in_place();
  fail_point("stage.before_sync");
  if (!staging_.empty()) {
    sync_tree(staging_);
    fail_point("stage.before_rename");
    put_in_place();
  }
  fail_point("stage.after_rename");
  if (!fault_planted("store.parent_not_synced")) sync_path(target_.parent_path());
  fail_point("stage.before_removal");
  if (old_.empty()) return;
  std::error_code error;
  fs::remove_all(std::exchange(old_, {}), error);
  if (error)
    refuse(target_,
           "is in place and whole, but the old one could not be removed: " + error.message());
}

void StagedFolder::put_in_place() {
  check_target();
  if (!is_there(target_)) {
    if (!rename_with(staging_, target_, RENAME_NOREPLACE)) rename_plainly(staging_, target_);
  } else if (rename_with(staging_, target_, RENAME_EXCHANGE)) {
    old_ = staging_;
  } else {
    const fs::path aside = target_.string() + std::string(old_mark) + make_id();
    rename_plainly(target_, aside);
    try {
      fail_point("stage.between_renames");
      rename_plainly(staging_, target_);
    } catch (...) {
      ::rename(aside.c_str(), target_.c_str());  // what fails here, the next run mends
      throw;
    }
    old_ = aside;
  }
  staging_.clear();
}

void StagedFolder::release() noexcept {
  std::error_code ignored;
  if (!staging_.empty()) fs::remove_all(std::exchange(staging_, {}), ignored);
  if (locked_) ::unlink(lock_path_.c_str());
  if (lock_ >= 0) ::close(std::exchange(lock_, -1));
  locked_ = false;
}

void require_space(const fs::path& folder, std::uint64_t bytes_needed) {
  const std::uint64_t wanted = bytes_needed + bytes_needed / 10;
  const std::uint64_t free = free_space(folder);
  if (free < wanted)
    refuse(folder, "needs " + format_bytes(wanted) + " of free space (" +
                       format_bytes(bytes_needed) + " and a tenth), has " + format_bytes(free));
}

void refuse_same_folder(const fs::path& source, const fs::path& target) {
  const auto real = [](const fs::path& path) {
    std::error_code error;
    fs::path plain = fs::weakly_canonical(fs::absolute(path), error);
    if (error) plain = fs::absolute(path).lexically_normal();
    return plain.filename().empty() ? plain.parent_path() : plain;
  };
  const auto holds = [](const fs::path& outer, const fs::path& inner) {
    return std::ranges::mismatch(outer, inner).in1 == outer.end();
  };
  const fs::path from = real(source);
  const fs::path to = real(target);
  const std::string both = "source " + source.string() + " and target " + target.string();
  if (from == to) fail(ExitCode::usage, both + " are the same folder; choose another target");
  if (holds(from, to))
    fail(ExitCode::usage, both + ": the target lies inside the source; choose another target");
  if (holds(to, from))
    fail(ExitCode::usage, both + ": the source lies inside the target; choose another target");
}

}  // namespace fg::store
