#pragma once

#include <optional>
#include <string>
#include <vector>

#include <fg/engine/bench.hpp>

namespace fg::bench {

/// One line of the table.
struct Row {
  std::string name;        // "7b-4x2048-keep"
  std::string shape;       // as --shape has it
  std::string vocabulary;  // "odd", "padded" or a number
  std::string policy;      // "keep", "checkpoint", "offload" or "auto"
  engine::BenchTask task;
};

/// What the rows of --sweep differ in: the table of docs/benchmarks.
struct SweepRow {
  const char* shape;
  std::int64_t rows;
  std::int64_t length;
  const char* policy;
  std::optional<double> budget_gib;
};
const std::vector<SweepRow>& sweep();

/// "keep" and so on, nothing for "auto". Error(usage).
std::optional<model::MemoryPolicy> read_policy(const std::string& word);

/// "7b-1x2048-auto-15gib"; of a path its folder's or file's name.
std::string name_of(const Row& row);

}  // namespace fg::bench
