#pragma once

#include <optional>

#include <fg/app/program.hpp>

namespace fg::app {

/// Under a launcher every rank reads the command line before MPI is started; true on the one that
/// speaks, and always where there is no launcher.
bool is_first_of_launch();

/// Parses and checks the command line. Prints and returns nothing for --help and --version; throws
/// Error(usage) that lists every mistake.
std::optional<Arguments> parse_command_line(int argc, char** argv, const Program& program);

}  // namespace fg::app
