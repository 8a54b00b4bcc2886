#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fg::data {

/// The files that a source means, in order of name. A file is itself; its only split is "train", or
/// its own name without endings. Of a folder: those in the folder of the split's name, else the
/// files `name.*`, `name-*` and `name_*`; for "train" (also meant by no name), where there are
/// none, all. Files of other kinds, hidden ones and README and LICENSE are passed over. Error(data)
/// naming what is there instead.
std::vector<std::filesystem::path> files_of(const std::filesystem::path& path,
                                            const std::string& split_name);

}  // namespace fg::data
