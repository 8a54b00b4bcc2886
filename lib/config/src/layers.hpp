#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <fg/config/load.hpp>
#include <fg/config/yaml.hpp>

namespace fg::config {

/// Where nodes come from: a file or an option. Node::source is the place in this list.
struct Source {
  std::string name;              // "configs/base.yaml", "--lr"
  std::filesystem::path folder;  // relative paths are taken from here
  bool is_file = true;
};

/// What is laid over each other, the farthest first: each file once, then the command line.
struct Layers {
  std::vector<Source> sources;
  std::vector<Node> roots;
  std::vector<ChainFile> files;
};

/// Reads a file and what it extends. Mistakes of one file do not keep the others from being read.
Layers read_layers(const std::filesystem::path& file, Mistakes& mistakes);

/// One more layer, the nearest: all overrides, where the last one of a key counts.
void add_overrides(Layers& layers, std::span<const Override> overrides,
                   const std::filesystem::path& folder, Mistakes& mistakes);

/// "base.yaml:12" or "--lr".
std::string place_of(const std::vector<Source>& sources, const Node& node);

}  // namespace fg::config
