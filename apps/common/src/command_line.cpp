#include "command_line.hpp"

#include <array>
#include <cstdio>
#include <limits>
#include <sstream>

#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/version.hpp>
#include <nlohmann/json.hpp>

#include <fg/base/build_options.hpp>
#include <fg/base/nearest.hpp>
#include <fg/base/version.hpp>
#include <fg/log/log.hpp>

namespace fg::app {
namespace {

/// The option that arguments beyond a program's own fall to.
constexpr const char* surplus_name = "surplus arguments";

options::options_description common_options() {
  options::options_description common("Common options");
  auto add = common.add_options();
  add("help,h", "show this help and stop");
  add("version", "show version, commit and what is linked, and stop");
  add("log-level", word()->default_value("info"), "debug, info, warning, error or off");
  add("log-file", word(), "append the log to this file as well");
  return common;
}

struct CodeWords {
  ExitCode code;
  const char* meaning;
  bool is_of_all = true;
};

constexpr std::array code_words{CodeWords{ExitCode::done, "done"},
                                CodeWords{ExitCode::usage, "usage or configuration"},
                                CodeWords{ExitCode::data, "data"},
                                CodeWords{ExitCode::cannot_load, "cannot load"},
                                CodeWords{ExitCode::cannot_save, "cannot save"},
                                CodeWords{ExitCode::numerics, "not finite", false},
                                CodeWords{ExitCode::hang, "a rank hung", false},
                                CodeWords{ExitCode::rank_lost, "a rank or GPU was lost", false},
                                CodeWords{ExitCode::ranks_disagree, "ranks disagree"},
                                CodeWords{ExitCode::bug, "a bug of ours"},
                                CodeWords{ExitCode::requeue, "saved before the end", false},
                                CodeWords{ExitCode::interrupted, "SIGINT"},
                                CodeWords{ExitCode::terminated, "SIGTERM"}};

/// The text's words in lines of at most 80.
std::string wrapped(const std::string& text) {
  constexpr std::size_t width = 80;
  std::string lines;
  std::size_t begin = 0;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const bool is_full = lines.size() - begin + 1 + word.size() > width;
    if (!lines.empty()) lines += is_full ? "\n" : " ";
    if (is_full) begin = lines.size();
    lines += word;
  }
  return lines + "\n";
}

std::string codes_of(const Program& program) {
  std::string text = "Exit codes:";
  for (const CodeWords& each : code_words)
    if (each.is_of_all || program.more_codes.contains(each.code))
      text += (text.back() == ':' ? " " : ", ") + std::to_string(static_cast<int>(each.code)) +
              " " + each.meaning;
  return text + " (docs/operations.md).";
}

void print_help(const Program& program) {
  std::ostringstream out;
  out << program.name << ": " << program.summary << "\n\n";
  for (const std::string& form : program.usage)
    out << (&form == &program.usage.front() ? "Usage: " : "       ") << program.name << " " << form
        << "\n";
  out << "\n" << program.own << "\n" << common_options();
  if (!program.examples.empty()) out << "\nExamples:\n";
  for (const std::string& example : program.examples) out << "  " << example << "\n";
  out << "\n"
      << wrapped("Alone it is one process; under `mpirun -np N` or `srun --mpi=pmix` " +
                 program.on_ranks + ".")
      << wrapped(codes_of(program));
  std::fputs(out.str().c_str(), stdout);
}

void print_version(const Program& program) {
  std::ostringstream out;
  out << program.name << " " << version() << " (commit " << commit() << ")\n"
      << (failpoints_built ? "build: with failpoints, for tests\n" : "")
      << "compiler: " << __VERSION__ << "\n"
      << "Boost " << BOOST_VERSION / 100000 << "." << BOOST_VERSION / 100 % 1000 << "."
      << BOOST_VERSION % 100 << "\nnlohmann-json " << NLOHMANN_JSON_VERSION_MAJOR << "."
      << NLOHMANN_JSON_VERSION_MINOR << "." << NLOHMANN_JSON_VERSION_PATCH << "\n"
      << session::mpi_library() << "\n";
  for (const std::string& library : program.linked)
    if (!library.empty()) out << library << "\n";
  std::fputs(out.str().c_str(), stdout);
}

std::vector<std::string> option_names(const options::options_description& all) {
  std::vector<std::string> names;
  for (const auto& option : all.options())
    if (!option->long_name().empty()) names.push_back("--" + option->long_name());
  return names;
}

/// Unknown options and surplus arguments are collected, not thrown one by one, so that the user
/// sees all of them. The word behind an unknown option may be its value, so then none counts as
/// surplus.
Mistakes unknown_words(const options::parsed_options& parsed,
                       const std::vector<std::string>& known) {
  Mistakes unknown, surplus;
  for (const auto& option : parsed.options) {
    if (option.original_tokens.empty()) continue;
    const std::string word = option.original_tokens.front();
    if (option.string_key == surplus_name)
      surplus.add("one argument too many: '" + word + "'");
    else if (option.unregistered)
      unknown.add("unknown option '" + word + "'" +
                  did_you_mean(word.substr(0, word.find('=')), known));
  }
  return unknown.any() ? unknown : surplus;
}

}  // namespace

bool is_first_of_launch() {
  return session::launched_rank().value_or("0") == "0";
}

std::optional<Arguments> parse_command_line(int argc, char** argv, const Program& program) {
  options::options_description all;
  all.add(program.own).add(program.hidden).add(common_options());
  all.add_options()(surplus_name, words(), "");
  options::positional_options_description positional = program.positional;
  if (positional.max_total_count() != std::numeric_limits<unsigned>::max())
    positional.add(surplus_name, -1);
  namespace style = options::command_line_style;
  constexpr int exact = (style::unix_style & ~style::allow_guessing);

  Arguments arguments;
  Mistakes mistakes;
  try {
    const auto parsed = options::command_line_parser(argc, argv)
                            .options(all)
                            .positional(positional)
                            .style(exact)
                            .allow_unregistered()
                            .run();
    mistakes = unknown_words(parsed, option_names(all));
    options::store(parsed, arguments);
    if (arguments.count("help") > 0) {
      if (is_first_of_launch()) print_help(program);
      return std::nullopt;
    }
    if (arguments.count("version") > 0) {
      if (is_first_of_launch()) print_version(program);
      return std::nullopt;
    }
    if (!mistakes.any()) options::notify(arguments);
  } catch (const options::error& error) {
    mistakes.add(error.what());
  }
  if (!mistakes.any() && !log::parse_level(text(arguments, "log-level")))
    mistakes.add("--log-level " + text(arguments, "log-level") +
                 ": expected debug, info, warning, error or off");
  if (mistakes.any())
    fail(ExitCode::usage, mistakes.text() + "\n(" + program.name + " --help lists what there is)");
  return arguments;
}

}  // namespace fg::app
