#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <fg/app/program.hpp>
#include <fg/data/options.hpp>

namespace fg::data_app {

/// What `pack` and `stats` are asked for.
struct PackJob {
  data::Options data;
  bool pack = true;
  bool shuffle = true;
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
  std::uint64_t preview = 0;  // rows to show
  bool json = false;          // all rows, as JSON lines
  bool color = false;
};

/// The options of `pack` and `stats`.
void add_pack_options(app::Program& program);

/// The names of those that were given, for jobs that do not have them: "--data, --split".
std::string given_pack_options(const app::Arguments& arguments);

/// Reads them.
PackJob read_pack_options(const app::Arguments& arguments, app::Mistakes& mistakes);

}  // namespace fg::data_app
