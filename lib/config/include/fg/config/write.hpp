#pragma once

#include <span>
#include <string>
#include <vector>

#include <fg/base/json.hpp>
#include <fg/config/load.hpp>

namespace fg::config {

/// Every key that has a value, as a file that loads to the same configuration. With `origins` each
/// line ends with a comment that tells where its value comes from.
std::string to_yaml(std::span<const Value> values, bool origins = false);
std::string to_yaml(const Configuration& configuration);

/// Every key that has a value, by its whole name: {"train.seq_len": 512, …}.
Json to_json(const Configuration& configuration);

/// The same without what may differ between the hosts of a run (paths, interface, TensorBoard): to
/// be compared as text across ranks, kept in a checkpoint and compared on resume.
Json comparable_json(const Configuration& configuration);

struct Difference {
  std::string key;
  std::string before;  // "" where it was not set
  std::string after;
};

/// The keys in which two results of to_json or comparable_json differ.
std::vector<Difference> difference(const Json& before, const Json& after);

/// A JSON Schema (draft 2020-12) of configuration files, for editors.
Json schema();

}  // namespace fg::config
