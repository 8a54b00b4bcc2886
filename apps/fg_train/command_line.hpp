#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <fg/app/program.hpp>
#include <fg/config/load.hpp>

namespace fg::train {

/// What fg-train says of itself and accepts.
app::Program describe();

/// What to do instead of training, if anything.
enum class Ask { train, plan, dry_run, optimizer_groups };

struct CommandLine {
  std::filesystem::path configuration;  // empty: the defaults alone
  std::vector<config::Override> overrides;
  std::string devices = "auto";  // for device::choose_device
  Ask ask = Ask::train;
  std::string note;  // for the user, if something was chosen for him
};

/// Reads arguments and $FG_CONFIG, $FG_MODEL, $FG_OUTPUT. With nothing at all: the quick start's
/// configuration if its model has been made, else Error(usage) with a short how-to.
CommandLine read_command_line(const app::Arguments& arguments);

}  // namespace fg::train
