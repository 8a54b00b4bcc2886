#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/program_options/value_semantic.hpp>
#include <boost/program_options/variables_map.hpp>

#include <fg/base/error.hpp>

namespace fg::app {

namespace options = boost::program_options;

/// The values given on a command line, after it was found well formed.
using Arguments = options::variables_map;

/// What an option takes: a word, or a word each time it is given.
options::typed_value<std::string>* word();
options::typed_value<std::vector<std::string>>* words();

/// What is wrong with a command line, to be told all at once.
class Mistakes {
public:
  void add(const std::string& what);
  /// Runs `read`; an Error that it throws is a mistake like the others.
  template <typename Read>
  void collect(const Read& read) {
    try {
      read();
    } catch (const Error& error) {
      add(error.what());
    }
  }
  bool any() const { return !text_.empty(); }
  /// All of them, a line each.
  const std::string& text() const { return text_; }
  /// Error(usage) with all of them, if there is any.
  void throw_if_any() const;

private:
  std::string text_;
};

bool given(const Arguments& arguments, const std::string& name);

/// Text of an option, or "" if it was not given.
std::string text(const Arguments& arguments, const std::string& name);

/// Each text of an option or argument that may be given several times.
std::vector<std::string> texts(const Arguments& arguments, const std::string& name);

/// The number of an option that takes a word. Nothing where it was not given, or is no whole number
/// in this range, which is a mistake.
std::optional<std::uint64_t> whole_number(
    const Arguments& arguments, const std::string& name, Mistakes& mistakes, std::uint64_t least,
    std::uint64_t most = std::numeric_limits<std::uint64_t>::max());

/// Whether the job that a program was told to do is one of its own; a mistake if not.
bool is_known_job(const std::string& job, std::span<const std::string> jobs, Mistakes& mistakes);

}  // namespace fg::app
