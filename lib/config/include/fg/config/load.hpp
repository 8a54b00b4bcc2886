#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fg/config/configuration.hpp>
#include <fg/config/yaml.hpp>

namespace fg::config {

/// A key given on the command line.
struct Override {
  std::string key;       // "train.max_steps"
  std::string value;     // "10"; read as YAML: "1e-4", "[8, 8]", "null"
  std::string origin;    // "--max-steps": what messages and listings name
  bool is_text = false;  // taken as it stands (no YAML, no ${…}): for -M and other paths
};

/// "a.b.c=value" of --set; Error(usage) where there is no '='.
Override parse_set(const std::string& text);

/// A file of the chain and those that it extends.
struct ChainFile {
  std::filesystem::path path;
  std::vector<std::size_t> extends;  // places in the chain
};

/// One key with its final value.
struct Value {
  std::string key;     // "train.seq_len", "optimizer_groups.no_decay.regex"
  Node node;           // kind null: not set
  std::string origin;  // "configs/base.yaml:12", "--lr" or "default"
};

struct Loaded {
  Configuration configuration;
  std::vector<Value> values;     // every key, in the order of the documentation
  std::vector<ChainFile> files;  // the farthest first, the file that was asked for last
};

using Environment = std::function<std::optional<std::string>(const std::string&)>;

/// The process's environment.
std::optional<std::string> environment_variable(const std::string& name);

/// Loads a file (none: the defaults alone) with everything it extends, lays the overrides over it,
/// the last one nearest, and checks it. docs/configuration.md tells the rules. Relative paths in
/// overrides are taken from `working_folder`. Throws Error(usage) with every mistake, each with
/// file, line and the nearest known word.
Loaded load(const std::filesystem::path& file, std::span<const Override> overrides = {},
            const std::filesystem::path& working_folder = std::filesystem::current_path(),
            const Environment& environment = environment_variable);

/// How a step's rows are divided.
struct BatchPlan {
  std::int64_t global_rows = 0;
  std::int64_t microbatches = 0;  // of the replica that has most
};

/// Error(usage) with both numbers where rows do not divide into microbatches, or a replica would
/// have none. Replicas (ranks, or pipelines) may have one microbatch more than others, so that the
/// global batch is the same on any number of them.
BatchPlan batch_plan(const Train& train, std::int64_t replicas);

}  // namespace fg::config
