#pragma once

#include <span>
#include <string>

#include <fg/config/load.hpp>

namespace fg::config_app {

/// What a configuration extends, indented, itself first.
std::string chain_tree(std::span<const config::ChainFile> files);

/// The same as a graph in Graphviz's language, an arrow from a file to what it extends.
std::string chain_dot(std::span<const config::ChainFile> files);

/// The same as a picture: a box for each file, what is extended above what extends it.
std::string chain_svg(std::span<const config::ChainFile> files);

}  // namespace fg::config_app
