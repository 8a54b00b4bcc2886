#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <fg/base/json.hpp>
#include <fg/store/manifest.hpp>

namespace fg::checkpoint {

/// "model-r00003.h5", "optim-r00003.h5".
std::string model_file_name(int rank);
std::string optimizer_file_name(int rank);

/// What a checkpoint's manifest says of it beside its files and slices.
struct Info {
  std::uint64_t step = 0;
  std::uint64_t world = 1;
  std::optional<double> metric;
  /// New with every save: pieces of one save have the same. Empty in checkpoints of older versions.
  std::string save = {};
};

void put_info(const Info& info, store::Manifest& manifest);
/// Error(cannot_load) that begins with `name`.
Info info_of(const store::Manifest& manifest, const std::string& name);

/// A checkpoint's manifest, with its info. A folder `checkpoint-N` must be of step N.
/// Error(cannot_load).
struct Described {
  store::Manifest manifest;
  Info info;
};
Described describe(const std::filesystem::path& checkpoint);

/// trainer.json's text: "format" and "step" before `trainer`'s own members.
std::string trainer_text(const Json& trainer, std::uint64_t step);
/// The reverse. The file is compared with the manifest first. Error(cannot_load).
Json read_trainer(const std::filesystem::path& checkpoint, const Described& described);

}  // namespace fg::checkpoint
