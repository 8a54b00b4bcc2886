#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <fg/base/owned.hpp>
#include <fg/session/session.hpp>

namespace fg::checkpoint {

/// Files of a model directory that a checkpoint has copies of, as far as they are there:
/// config.json, generation_config.json, the tokenizer's files and the chat template.
std::vector<std::filesystem::path> model_files(const std::filesystem::path& folder);

/// RUN/checkpoints, made or not.
std::filesystem::path checkpoints_in(const std::filesystem::path& run);

/// A run directory in use by this run alone. Not collective: it lives on the rank that leads the
/// folder (`leads_folder`), from the start of the run to its end; make it inside Session::together.
class RunFolder {
public:
  /// Makes `root` and `root`/checkpoints, takes the lock, and removes what a dead run of ours left
  /// (`.tmp-…`, `.trash-…`). Error(usage) where another run holds it, which is named by host,
  /// process, start and job. The lock (fcntl, on `root`/.fg-lock) ends with its process, whatever
  /// ends that, so a left-over is taken over. Where the file system has no locks, `notes` says so
  /// and what others left stays. Error(cannot_save) for all else.
  explicit RunFolder(const std::filesystem::path& root);
  RunFolder(RunFolder&&) noexcept = default;
  RunFolder& operator=(RunFolder&&) noexcept = default;
  /// Empties the lock file and lets go.
  ~RunFolder();

  const std::filesystem::path& root() const noexcept { return root_; }  // absolute
  std::filesystem::path checkpoints() const { return checkpoints_in(root_); }
  /// Eight hexadecimal digits, new each time. Rank 0's goes to all (Session::broadcast) for
  /// SaveRequest::run.
  const std::string& run_name() const noexcept { return run_name_; }
  /// Sentences for the user.
  const std::vector<std::string>& notes() const noexcept { return notes_; }

  /// Copies `model_files` to the root, over older copies: config.json and generation_config.json of
  /// `model`, all else of `tokenizer`. Nothing of a folder that is the root.
  void copy_model_files(const std::filesystem::path& model,
                        const std::filesystem::path& tokenizer) const;

  /// Makes `checkpoints/latest` lead to this checkpoint (one rename) and the root load as a model:
  /// links there for its weights, index and manifest. Where base weights lie at the root (or any
  /// manifest that is no link), nothing is put there and nothing touched.
  void link_latest(const std::filesystem::path& checkpoint) const;

private:
  static void close_descriptor(int descriptor);
  void take_lock();
  void clean_up();

  std::filesystem::path root_;
  Owned<int, close_descriptor, -1> lock_;
  bool locked_ = false;
  std::string run_name_;
  std::vector<std::string> notes_;
};

/// Collective. Makes sure that all ranks see the folder of the one that leads it, which brings it
/// along (`leads`; nullptr elsewhere); `root` is each rank's path to it. Looks for 5 s, since NFS
/// shows new files late. Error(usage) on a rank that does not see it.
void require_shared(session::Session& session, const RunFolder* leads,
                    const std::filesystem::path& root);

/// Replaces a small text file: written beside it, synced, renamed, the folder synced; a kill leaves
/// the old one or the new one. Error(cannot_save).
void replace_text(const std::filesystem::path& path, const std::string& text);

}  // namespace fg::checkpoint
