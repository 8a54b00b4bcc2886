#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fg/arch/model_config.hpp>
#include <fg/arch/token_additions.hpp>
#include <fg/store/model_weights.hpp>

#include "options.hpp"

namespace fg::convert {

enum class Direction { to_fg, to_hugging_face };

/// One tensor of the new folder and where its values come from.
struct OutputTensor {
  store::TensorInfo info;       // as it will be written
  std::size_t source = 0;       // index in the source's weights
  bool has_token_rows = false;  // embedding or head: its rows follow Plan::tokens
};

/// One weight file of the new folder.
struct OutputShard {
  std::string name;
  std::vector<std::size_t> tensors;  // indices into Plan::tensors
  std::uint64_t bytes = 0;
};

struct SmallFile {
  std::string path;  // inside the folder; may name one sub-folder
  std::string text;
};

/// All that a conversion will do, decided before anything is written. Plain data; every rank makes
/// the same one.
struct Plan {
  Direction direction = Direction::to_fg;
  store::WeightFormat format = store::WeightFormat::hdf5;
  arch::ModelConfig model;  // the source's
  arch::TokenPlan tokens;
  std::vector<OutputTensor> tensors;
  std::vector<OutputShard> shards;
  std::vector<SmallFile> files;  // all but weights and manifest
  std::uint64_t weight_bytes = 0;
  std::vector<std::string> notes;  // for the user, as they came up
  std::vector<std::string> warnings;
};

/// Error(cannot_load) unless this is a folder with a config.json.
void require_config(const std::filesystem::path& source);

/// Reads everything but the weights' values and decides. Refuses what cannot be done: unknown
/// architecture or rope (cannot_load), wrong tensors, tokens that cannot be added (usage), …
/// Not collective.
Plan make_plan(const Options& options, store::ModelWeights& weights);

/// The plan in words, for standard output.
std::string describe(const Plan& plan, const Options& options);

}  // namespace fg::convert
