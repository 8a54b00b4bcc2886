#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fg::data {

/// What the records of a file are. `automatic`: by the first record of each file.
enum class Format : std::uint8_t { automatic, sharegpt, openai, alpaca, text };

/// Which tokens are trained: all, or those that the template made from assistant messages, and the
/// end marker behind each. Records of plain text are trained whole either way.
enum class TrainOn : std::uint8_t { all, assistant };

/// What becomes of a record with more than seq_len tokens: its beginning and its end marker, or
/// windows that together hold all of it.
enum class TooLong : std::uint8_t { cut, split };

/// "auto", "sharegpt", …, "all", "assistant", "cut", "split" as the configuration spells them.
/// Error(usage) with the nearest word for any other; `place` ("data.format") begins the message.
Format parse_format(std::string_view word, const std::string& place);
TrainOn parse_train_on(std::string_view word, const std::string& place);
TooLong parse_too_long(std::string_view word, const std::string& place);
std::string_view name_of(Format format);
std::string_view name_of(TrainOn train_on);
std::string_view name_of(TooLong too_long);

/// A file (.json, .jsonl, .ndjson, .txt, each also .gz) or a folder of them, taken in order of
/// name.
struct Source {
  std::filesystem::path path;
  /// How often its documents come in an epoch; 0.5: each epoch another half of them.
  double weight = 1.0;
  std::optional<Format> format;      // else Options::format
  std::optional<std::string> split;  // else Options::split
};

/// Everything that decides what the tokens are. Defaults are those of the configuration.
struct Options {
  std::vector<Source> sources;
  Format format = Format::automatic;
  /// "train", "train[:95%]", "[10:200]" (split.hpp); empty: as "train".
  std::string split;
  TrainOn train_on = TrainOn::all;
  TooLong too_long = TooLong::cut;
  std::size_t seq_len = 4096;  // no document is longer; at least 2

  // What does not change the tokens:
  std::filesystem::path cache_folder;  // empty: default_cache_folder()
  unsigned threads = 0;                // 0: as many as this process may use
  bool show_progress = true;           // of the tokenising, by log::Progress
  /// Called now and then on the calling thread; what it throws ends `prepare` (a stop signal).
  std::function<void()> check;
};

/// $XDG_CACHE_HOME/fg, or ~/.cache/fg. Error(usage) if neither variable is set.
std::filesystem::path default_cache_folder();

}  // namespace fg::data
