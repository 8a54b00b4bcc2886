#include "row.hpp"

#include <cmath>
#include <filesystem>

#include <fg/base/error.hpp>
#include <fg/base/nearest.hpp>

namespace fg::bench {

const std::vector<SweepRow>& sweep() {
  static const std::vector<SweepRow> rows{
      {"7b", 4, 2048, "keep", std::nullopt},
      {"7b", 4, 2048, "checkpoint", std::nullopt},
      {"7b", 1, 2048, "checkpoint", std::nullopt},
      {"1b", 4, 4096, "keep", std::nullopt},
      {"1b", 2, 4096, "checkpoint", std::nullopt},
      {"7b", 1, 2048, "offload", std::nullopt},
      {"7b", 1, 2048, "auto", 15.0},
  };
  return rows;
}

std::optional<model::MemoryPolicy> read_policy(const std::string& word) {
  if (word == "keep") return model::MemoryPolicy::keep;
  if (word == "checkpoint") return model::MemoryPolicy::checkpoint;
  if (word == "offload") return model::MemoryPolicy::offload;
  if (word == "auto") return std::nullopt;
  const std::vector<std::string> known{"keep", "checkpoint", "offload", "auto"};
  fail(ExitCode::usage, "--policy " + word + ": expected keep, checkpoint, offload or auto" +
                            did_you_mean(word, known));
}

std::string name_of(const Row& row) {
  std::string shape = row.shape;
  if (shape.find('/') != std::string::npos || std::filesystem::exists(shape)) {
    const auto path = std::filesystem::absolute(shape).lexically_normal();
    shape =
        (path.filename() == "config.json" || path.filename().empty() ? path.parent_path() : path)
            .filename()
            .string();
  }
  std::string name = shape + "-" + std::to_string(row.task.rows) + "x" +
                     std::to_string(row.task.length) + "-" + row.policy;
  if (row.task.budget_bytes)
    name += "-" +
            std::to_string(std::lround(static_cast<double>(*row.task.budget_bytes) / (1 << 30))) +
            "gib";
  if (row.task.documents > 1) name += "-" + std::to_string(row.task.documents) + "docs";
  return name;
}

}  // namespace fg::bench
