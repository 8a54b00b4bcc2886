#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include <fg/store/shards.hpp>
#include <fg/store/staged_folder.hpp>
#include <fg/store/tensor_file.hpp>

namespace fg::model_folder {

/// What the command line asks for; nothing has been looked at yet.
struct Options {
  std::filesystem::path source;  // holds config.json and the tokenizer
  std::filesystem::path target;
  /// Where licences and the files of slow tokenizers are looked for behind `source`.
  std::vector<std::filesystem::path> more_sources;
  std::optional<store::Dtype> dtype;  // nothing: each tensor keeps its own
  std::filesystem::path add_tokens;   // empty: none
  std::filesystem::path chat_template;
  bool skip_default_tokens = false;
  std::optional<store::WeightFormat> format;  // nothing: the job's own
  std::uint64_t max_shard_bytes = 5'000'000'000;
  std::int64_t pad_vocab_to = 0;  // 0: no padding
  bool keep_optimizer = false;    // a finalized model's
  bool verify = false;
  store::Overwrite overwrite = store::Overwrite::no;
  bool dry_run = false;
};

}  // namespace fg::model_folder
