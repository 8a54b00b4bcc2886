#pragma once

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <fg/config/load.hpp>
#include <fg/test/temporary_folder.hpp>

namespace fg::config {

/// A folder of configuration files, and what loading one of them gives.
class Files {
public:
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder() / name).parent_path());
    std::ofstream(folder() / name) << text;
  }
  std::filesystem::path folder() const { return temporary_.path(); }
  std::string at(const std::string& name) const { return (folder() / name).string(); }

  Loaded load(const std::string& name, const std::vector<std::string>& sets = {}) const {
    std::vector<Override> overrides;
    for (const std::string& set : sets) overrides.push_back(parse_set(set));
    return config::load(name.empty() ? std::filesystem::path() : folder() / name, overrides,
                        "/working", [this](const std::string& variable) {
                          const auto found = environment.find(variable);
                          return found == environment.end()
                                     ? std::optional<std::string>()
                                     : std::optional<std::string>(found->second);
                        });
  }
  Configuration read(const std::string& name, const std::vector<std::string>& sets = {}) const {
    return load(name, sets).configuration;
  }

  std::map<std::string, std::string> environment;

private:
  test::TemporaryFolder temporary_;
};

inline std::string origin_of(const Loaded& loaded, const std::string& key) {
  for (const Value& value : loaded.values)
    if (value.key == key) return value.origin;
  return "no such key";
}

}  // namespace fg::config
