#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace fg::store {

enum class Overwrite : bool { no, yes };

/// Makes a folder whole or not at all: files are written into a hidden-from-readers folder beside
/// the target (`<target>.tmp-<16 digits>`), which takes the target's name in `commit`. Not for
/// several ranks: rank 0 constructs it and hands `path` to the others, who write there and sync
/// what they wrote; rank 0 commits after all are done.
///
/// A kill at any moment leaves the target absent, or the old one, or the new one, whole. Left-overs
/// of killed runs are removed by the next run for the same target. Runs know each other by a lock
/// (flock) on `.<target>.fg-lock` beside the target, held as long as this lives: whatever lies
/// there while one holds it is dead. Where the file system has no locks, left-overs stay.
///
/// An old target is exchanged with the new one in one step (renameat2). Where the file system
/// cannot (NFS), it is moved aside to `<target>.old-<16 digits>` first; a kill between the two
/// renames leaves no target, and the next run puts the old one back.
///
/// Errors are Error(cannot_save) with the path.
class StagedFolder {
public:
  /// Refuses a target that exists (with Overwrite::yes: only one that is a symbolic link, no
  /// folder, or a folder that holds folders), a target whose parent is missing, and one being
  /// written.
  /// `staging` may give the staged folder a plain name of its own beside the target that ends in 16
  /// digits (of hexadecimal numbers), new each time; what was left under that name with other
  /// digits is removed.
  explicit StagedFolder(const std::filesystem::path& target, Overwrite overwrite = Overwrite::no,
                        const std::string& staging = {});
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;
  /// Without a commit: removes what was written.
  ~StagedFolder();

  /// Where to write. Absolute, so that other ranks on the same file system may use it.
  const std::filesystem::path& path() const noexcept { return staging_; }
  /// Syncs every file and folder, gives them the target's name, syncs the parent, removes the old
  /// target. If only the last fails, the error says so and the new target stands.
  void commit();

private:
  void lock();
  void clean_up(const std::string& staging_start) const;
  void check_target() const;
  void put_in_place();
  void release() noexcept;

  std::filesystem::path target_;
  std::filesystem::path staging_;
  std::filesystem::path lock_path_;
  std::filesystem::path old_;  // the old target, once it is to be removed
  Overwrite overwrite_;
  int lock_ = -1;
  bool locked_ = false;
};

/// Error(cannot_save) with both numbers unless the file system of `folder` has room for
/// `bytes_needed` and a tenth more.
void require_space(const std::filesystem::path& folder, std::uint64_t bytes_needed);

/// Error(usage) where both are one folder, or one lies inside the other. Neither need exist.
void refuse_same_folder(const std::filesystem::path& source, const std::filesystem::path& target);

}  // namespace fg::store
