#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace fg::config_app {

/// The run configurations below the folders, a line each: path, then the first comment line of the
/// file. A file that fg-train would refuse is listed with its first mistake. YAML files of another
/// kind are left out. Error(usage) for a folder that does not exist.
std::string catalogue(std::span<const std::filesystem::path> folders);

}  // namespace fg::config_app
