#include <array>
#include <cstdlib>
#include <span>

#include <fg/base/error.hpp>
#include <fg/base/nearest.hpp>
#include <fg/data/options.hpp>

namespace fg::data {
namespace {

const std::array<std::string, 5> format_words = {"auto", "sharegpt", "openai", "alpaca", "text"};
const std::array<std::string, 2> train_on_words = {"all", "assistant"};
const std::array<std::string, 2> too_long_words = {"cut", "split"};

template <typename Value>
Value parse_word(std::string_view word, std::span<const std::string> words,
                 const std::string& place) {
  std::string wanted;
  for (std::size_t index = 0; index < words.size(); ++index) {
    if (words[index] == word) return static_cast<Value>(index);
    wanted += (index == 0 ? "" : index + 1 == words.size() ? " or " : ", ") + words[index];
  }
  fail(ExitCode::usage,
       place + ": '" + std::string(word) + "' is none of " + wanted + did_you_mean(word, words));
}

}  // namespace

Format parse_format(std::string_view word, const std::string& place) {
  return parse_word<Format>(word, format_words, place);
}

TrainOn parse_train_on(std::string_view word, const std::string& place) {
  return parse_word<TrainOn>(word, train_on_words, place);
}

TooLong parse_too_long(std::string_view word, const std::string& place) {
  return parse_word<TooLong>(word, too_long_words, place);
}

std::string_view name_of(Format format) {
  return format_words.at(static_cast<std::size_t>(format));
}

std::string_view name_of(TrainOn train_on) {
  return train_on_words.at(static_cast<std::size_t>(train_on));
}

std::string_view name_of(TooLong too_long) {
  return too_long_words.at(static_cast<std::size_t>(too_long));
}

std::filesystem::path default_cache_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  // The XDG specification: a relative path is to be ignored.
  if (const auto cache = variable("XDG_CACHE_HOME"); cache.is_absolute()) return cache / "fg";
  if (const auto home = variable("HOME"); home.is_absolute()) return home / ".cache" / "fg";
  fail(ExitCode::usage,
       "no folder for the cache of tokens: neither XDG_CACHE_HOME nor HOME is set");
}

}  // namespace fg::data
