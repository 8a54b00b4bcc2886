#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <fg/app/program.hpp>

#include "row.hpp"

namespace fg::bench {

struct Options {
  std::vector<Row> rows;
  std::filesystem::path json;  // empty: none
  bool measures_light = true;
  std::optional<double> peak_flops;  // of the device, for MFU
  std::string device;                // its name
};

app::Program describe();

/// Error(usage) with all mistakes.
Options read_options(const app::Arguments& arguments);

}  // namespace fg::bench
