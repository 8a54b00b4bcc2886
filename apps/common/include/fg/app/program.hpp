#pragma once

#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/positional_options.hpp>

#include <fg/app/arguments.hpp>
#include <fg/base/error.hpp>
#include <fg/session/session.hpp>

namespace fg::app {

inline constexpr double without_end = std::numeric_limits<double>::infinity();

/// What a program says of itself and accepts.
struct Program {
  std::string name;                   // "fg-convert"
  std::string summary;                // a sentence or two for --help
  std::vector<std::string> usage;     // the command line's forms, without the name
  std::vector<std::string> examples;  // whole lines
  options::options_description own{"Options"};
  options::options_description hidden;  // the names of positional arguments
  options::positional_options_description positional;
  std::vector<std::string> linked;  // for --version, one library a line; empty ones are left out
  /// For --help, what the ranks do where there are several.
  std::string on_ranks = "the ranks share the work";
  /// For --help, the codes that it may leave with beyond those of every program
  /// (docs/operations.md).
  std::set<ExitCode> more_codes;
  /// How long ranks wait for each other at first (Session::set_timeout). Programs that share out
  /// work of any length wait without end.
  double patience_s = 600;

  /// The next argument that stands by its place, `text` by this name.
  void take_argument(const char* argument);
  /// All further ones, `texts` by this name.
  void take_arguments(const char* argument);
};

/// The whole life of a program: command line, MPI session, log, `body`, exit code. Under several
/// ranks `body` runs on all; an error that the ranks did not meet over (Session::together) ends the
/// job.
int run(int argc, char** argv, const Program& program,
        const std::function<void(session::Session&, const Arguments&)>& body);

/// The same for programs that may end well with another code than 0: `body` gives it, the same on
/// every rank.
int run_for_code(int argc, char** argv, const Program& program,
                 const std::function<ExitCode(session::Session&, const Arguments&)>& body);

}  // namespace fg::app
