#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include <fg/base/error.hpp>

namespace fg::test {

/// A new empty folder that is removed with all it holds when this goes out of scope.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fg-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      fail(ExitCode::bug, "cannot make a temporary folder at " + pattern);
    path_ = pattern;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

private:
  std::filesystem::path path_;
};

}  // namespace fg::test
