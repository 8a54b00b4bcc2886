#include "catalogue.hpp"

#include <algorithm>
#include <sstream>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/config/keys.hpp>
#include <fg/config/load.hpp>
#include <fg/config/yaml.hpp>

namespace fg::config_app {
namespace {

namespace fs = std::filesystem;

bool is_section(const std::string& name) {
  if (name == "extends" || name == config::groups_section) return true;
  const auto all = config::keys();
  return std::any_of(all.begin(), all.end(),
                     [&](const config::Key& key) { return key.path.starts_with(name + "."); });
}

/// True for a map with at least one section that fg-train knows.
bool looks_like_one(const config::Node& root) {
  return std::any_of(root.members.begin(), root.members.end(),
                     [](const config::Member& member) { return is_section(member.key); });
}

std::string title(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t begin = line.find_first_not_of("# \t\r");
    if (line.starts_with('#') && begin != std::string::npos) return line.substr(begin);
    if (!line.empty() && !line.starts_with('#')) break;
  }
  return {};
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// The line of one file; "" for one of another kind.
std::string entry(const fs::path& path, std::size_t width) {
  std::string name = path.string();
  name.resize(std::max(name.size(), width), ' ');
  std::string text;
  try {
    text = config::read_yaml_text(path);
    if (!looks_like_one(config::parse_yaml(text, path.string()))) return {};
  } catch (const Error& error) {
    return name + "  cannot be read: " + first_line(error.what()) + "\n";
  }
  try {
    config::load(path);
  } catch (const Error& error) {
    return name + "  is refused: " + first_line(error.what()) + "\n";
  }
  return name + "  " + title(text) + "\n";
}

std::vector<fs::path> yaml_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(folder, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const std::string extension = it->path().extension().string();
    std::error_code ignored;
    if ((extension == ".yaml" || extension == ".yml") && it->is_regular_file(ignored))
      files.push_back(it->path().lexically_normal());
  }
  if (error) fail(ExitCode::usage, folder.string() + ": " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::string catalogue(std::span<const fs::path> folders) {
  std::vector<fs::path> files;
  for (const fs::path& folder : folders)
    for (fs::path& file : yaml_files(folder)) files.push_back(std::move(file));
  std::size_t width = 0;
  for (const fs::path& file : files) width = std::max(width, file.string().size());
  std::string lines;
  for (const fs::path& file : files) lines += entry(file, width);
  return lines;
}

}  // namespace fg::config_app
