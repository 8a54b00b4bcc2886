#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <fg/arch/model_config.hpp>
#include <fg/arch/token_additions.hpp>
#include <fg/base/json.hpp>
#include <fg/model_folder/options.hpp>
#include <fg/model_folder/source.hpp>

namespace fg::model_folder {

enum class Job : std::uint8_t { to_fg, to_hugging_face, finalize };

/// A row that does not come from the source's row of the same number.
struct RowFill {
  enum class Kind : std::uint8_t { copy, mean, zero, ones };  // ones: every bit
  std::uint64_t row = 0;
  Kind kind = Kind::zero;
  std::uint64_t source = 0;  // copy: the row copied
};

/// One tensor of the new folder and where its values come from. Rows behind the source's last that
/// no fill names are zeros.
struct OutputTensor {
  store::TensorInfo info;  // as it will be written
  store::TensorUse use = store::TensorUse::weights;
  std::size_t source = 0;          // index among the source's tensors of that use
  std::uint64_t row_elements = 0;  // of one row, where there are fills
  std::uint64_t mean_rows = 0;     // a mean is taken over rows [0, mean_rows) of the source
  std::vector<RowFill> fills;
};

/// One weight file of the new folder.
struct OutputShard {
  std::string name;
  store::WeightFormat format = store::WeightFormat::hdf5;
  std::vector<std::size_t> tensors;  // indices into Plan::tensors
  std::uint64_t bytes = 0;
};

struct SmallFile {
  std::string path;  // inside the folder; may name one sub-folder
  std::string text;
};

/// All that will be done, decided before anything is written. Plain data; every rank makes the same
/// one.
struct Plan {
  Job job = Job::to_fg;
  store::WeightFormat format = store::WeightFormat::hdf5;
  arch::ModelConfig model;  // the source's
  arch::TokenPlan tokens;
  std::vector<OutputTensor> tensors;  // weights in the model's order, then optimizer state
  std::size_t weight_count = 0;       // how many of them are weights
  std::vector<OutputShard> shards;
  std::vector<SmallFile> files;  // all but weights and manifest
  store::SliceTable slices;      // for the manifest: where the optimizer state lies
  std::uint64_t total_bytes = 0;
  std::vector<std::string> notes;  // for the user, as they came up
  std::vector<std::string> warnings;
};

/// The file of a model folder that holds optimizer state.
inline constexpr const char* optimizer_file = "optim.h5";

/// Error(cannot_load) unless this is a folder with a config.json.
void require_config(const std::filesystem::path& source);

/// Fg → Hugging Face where config.json has the `fg` object, else Hugging Face → fg.
/// Error(cannot_load).
Job conversion_of(const std::filesystem::path& source);

/// Reads everything but the tensors' values and decides. Refuses what cannot be done: unknown
/// architecture or rope (cannot_load), wrong tensors, tokens that cannot be added (usage), …
/// Not collective.
Plan make_plan(Job job, const Options& options, Source& source);

/// The plan in words, for standard output.
std::string describe(const Plan& plan, const Options& options);

}  // namespace fg::model_folder
