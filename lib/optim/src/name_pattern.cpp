#include "name_pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <fg/base/error.hpp>
#include <fg/base/owned.hpp>

namespace fg::optim {
namespace {

using Code = Owned<pcre2_code*, pcre2_code_free, nullptr>;
using MatchData = Owned<pcre2_match_data*, pcre2_match_data_free, nullptr>;
using MatchContext = Owned<pcre2_match_context*, pcre2_match_context_free, nullptr>;

constexpr std::size_t longest_expression = 4096;
constexpr std::uint32_t most_steps = 100'000;
constexpr std::uint32_t most_heap_kib = 1024;

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  if (pcre2_get_error_message(code, text, sizeof text) < 0) return std::to_string(code);
  return reinterpret_cast<const char*>(text);
}

PCRE2_SPTR units(const std::string& text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

struct NamePattern::Compiled {
  Code code;
  MatchContext limits;
};

NamePattern::NamePattern(const std::string& expression, const std::string& where)
    : expression_(expression), where_(where) {
  if (expression.size() > longest_expression)
    fail(ExitCode::usage, where + ": the regex has " + std::to_string(expression.size()) +
                              " letters, but at most " + std::to_string(longest_expression) +
                              " are taken");
  int error = 0;
  PCRE2_SIZE place = 0;
  Code code(pcre2_compile(units(expression), expression.size(), PCRE2_NEVER_BACKSLASH_C, &error,
                          &place, nullptr));
  if (code.get() == nullptr)
    fail(ExitCode::usage, where + ": the regex '" + expression + "' is wrong at letter " +
                              std::to_string(place + 1) + ": " + message_of(error));
  MatchContext limits(pcre2_match_context_create(nullptr));
  if (limits.get() == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(limits.get(), most_steps);
  pcre2_set_depth_limit(limits.get(), most_steps);
  pcre2_set_heap_limit(limits.get(), most_heap_kib);
  compiled_ = std::make_shared<const Compiled>(std::move(code), std::move(limits));
}

bool NamePattern::found_in(const std::string& name) const {
  const MatchData data(pcre2_match_data_create(1, nullptr));
  if (data.get() == nullptr) throw std::bad_alloc();
  const int found = pcre2_match(compiled_->code.get(), units(name), name.size(), 0, 0, data.get(),
                                compiled_->limits.get());
  if (found >= 0) return true;
  if (found == PCRE2_ERROR_NOMATCH) return false;
  fail(ExitCode::usage, where_ + ": the regex '" + expression_ + "' gives up on '" + name +
                            "': " + message_of(found) + "; write it with less backtracking");
}

}  // namespace fg::optim
