#pragma once

#include <filesystem>
#include <string_view>

namespace fg::log {

/// A file that grows by whole pieces: each `append` is one write(), so that a process that is
/// killed leaves whole pieces only. Errors are Error(cannot_save) with the path.
class AppendFile {
public:
  /// Opens `path`, made if absent, at its end.
  explicit AppendFile(std::filesystem::path path);
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  ~AppendFile();

  /// All of `piece` or an error: what a full disk took of it is cut off again.
  void append(std::string_view piece);
  void sync();

  const std::filesystem::path& path() const noexcept { return path_; }

private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace fg::log
