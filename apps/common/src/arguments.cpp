#include <algorithm>
#include <charconv>

#include <fg/app/arguments.hpp>
#include <fg/base/nearest.hpp>

namespace fg::app {
namespace {

/// "pack, stats or render".
std::string alternatives(std::span<const std::string> names) {
  std::string text;
  for (const std::string& name : names) {
    const bool is_last = &name == &names.back();
    text += (text.empty() ? "" : is_last ? " or " : ", ") + name;
  }
  return text;
}

}  // namespace

options::typed_value<std::string>* word() {
  return options::value<std::string>();
}

options::typed_value<std::vector<std::string>>* words() {
  return options::value<std::vector<std::string>>()->composing();
}

void Mistakes::add(const std::string& what) {
  text_ += (text_.empty() ? "" : "\n") + what;
}

void Mistakes::throw_if_any() const {
  if (any()) fail(ExitCode::usage, text_);
}

bool given(const Arguments& arguments, const std::string& name) {
  return arguments.count(name) > 0 && !arguments[name].defaulted();
}

std::string text(const Arguments& arguments, const std::string& name) {
  return arguments.count(name) > 0 ? arguments[name].as<std::string>() : std::string();
}

std::vector<std::string> texts(const Arguments& arguments, const std::string& name) {
  if (arguments.count(name) == 0) return {};
  return arguments[name].as<std::vector<std::string>>();
}

std::optional<std::uint64_t> whole_number(const Arguments& arguments, const std::string& name,
                                          Mistakes& mistakes, std::uint64_t least,
                                          std::uint64_t most) {
  if (!given(arguments, name)) return std::nullopt;
  const std::string word = text(arguments, name);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error == std::errc() && end == word.data() + word.size() && number >= least && number <= most)
    return number;
  const bool is_open = most == std::numeric_limits<std::uint64_t>::max();
  mistakes.add("--" + name + ": '" + word + "' is no whole number " +
               (is_open ? "of " + std::to_string(least) + " or more"
                        : "from " + std::to_string(least) + " to " + std::to_string(most)));
  return std::nullopt;
}

bool is_known_job(const std::string& job, std::span<const std::string> jobs, Mistakes& mistakes) {
  if (std::find(jobs.begin(), jobs.end(), job) != jobs.end()) return true;
  const std::string choice = alternatives(jobs);
  mistakes.add(job.empty()
                   ? "missing argument: " + choice
                   : "unknown job '" + job + "'; expected " + choice + did_you_mean(job, jobs));
  return false;
}

}  // namespace fg::app
