#include "options.hpp"

#include <charconv>
#include <limits>

#include <boost/program_options/value_semantic.hpp>
#include <unistd.h>

#include <fg/base/error.hpp>

namespace fg::data_app {
namespace {

using app::given;
using app::text;

constexpr const char* pack_options[] = {"data",     "format", "split", "seq-len", "train-on",
                                        "too-long", "seed",   "epoch", "no-pack", "no-shuffle",
                                        "preview",  "json",   "color", "cache"};

void add_mistake(std::string& mistakes, const std::string& what) {
  mistakes += (mistakes.empty() ? "" : "\n") + what;
}

/// A whole number in [least, most]; `value` stays where the option was not given.
template <typename Number>
void read_number(const app::Arguments& arguments, const char* name, std::uint64_t least,
                 std::uint64_t most, Number& value, std::string& mistakes) {
  if (!given(arguments, name)) return;
  const std::string word = text(arguments, name);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size() || number < least || number > most)
    add_mistake(mistakes, std::string("--") + name + ": '" + word + "' is no whole number from " +
                              std::to_string(least) + " to " + std::to_string(most));
  else
    value = static_cast<Number>(number);
}

template <typename Value>
void read_word(const app::Arguments& arguments, const char* name,
               Value (*parse)(std::string_view, const std::string&), Value& value,
               std::string& mistakes) {
  if (!given(arguments, name)) return;
  try {
    value = parse(text(arguments, name), std::string("--") + name);
  } catch (const Error& error) {
    add_mistake(mistakes, error.what());
  }
}

}  // namespace

void add_pack_options(app::Program& program) {
  auto add = program.own.add_options();
  const auto word = [] { return boost::program_options::value<std::string>(); };
  const data::Options defaults;
  add("data", boost::program_options::value<std::vector<std::string>>()->composing(),
      "file (.json, .jsonl, .txt, also .gz) or folder; may be given several times");
  add("format", word(), "auto (by the first record), sharegpt, openai, alpaca or text");
  add("split", word(), "part of the data, for example train[:95%] or [10:200]");
  add("seq-len", word(),
      ("most tokens of a document and of a row (" + std::to_string(defaults.seq_len) + ")")
          .c_str());
  add("train-on", word(), "all, or assistant: the assistant's messages and end markers (all)");
  add("too-long", word(), "cut: keep the beginning and the end marker; split: windows (cut)");
  add("seed", word(), "of the order (0)");
  add("epoch", word(), "whose order, from 0 (0)");
  add("no-pack", "one document a row");
  add("no-shuffle", "rows in the order of the data, as in evaluation");
  add("preview", word(), "pack: show so many rows as text, trained tokens coloured or in ⟦⟧");
  add("json", "pack: print every row as JSON instead: {\"ids\", \"lengths\", \"targets\"}");
  add("color", "colours even where standard output is no terminal");
  add("cache", word(), "folder for tokenised data ($XDG_CACHE_HOME/fg or ~/.cache/fg)");
}

std::string given_pack_options(const app::Arguments& arguments) {
  std::string names;
  for (const char* name : pack_options)
    if (given(arguments, name)) names += std::string(names.empty() ? "--" : ", --") + name;
  return names;
}

PackJob read_pack_options(const app::Arguments& arguments, std::string& mistakes) {
  PackJob job;
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  if (given(arguments, "data"))
    for (const std::string& path : arguments["data"].as<std::vector<std::string>>())
      job.data.sources.push_back({.path = path, .weight = 1.0, .format = {}, .split = {}});
  else
    add_mistake(mistakes, "missing option: --data PATH");
  read_word(arguments, "format", data::parse_format, job.data.format, mistakes);
  read_word(arguments, "train-on", data::parse_train_on, job.data.train_on, mistakes);
  read_word(arguments, "too-long", data::parse_too_long, job.data.too_long, mistakes);
  read_number(arguments, "seq-len", 2, 1 << 24, job.data.seq_len, mistakes);
  read_number(arguments, "seed", 0, most, job.seed, mistakes);
  read_number(arguments, "epoch", 0, most, job.epoch, mistakes);
  read_number(arguments, "preview", 0, 1'000'000, job.preview, mistakes);
  job.data.split = text(arguments, "split");
  job.data.cache_folder = text(arguments, "cache");
  job.pack = !given(arguments, "no-pack");
  job.shuffle = !given(arguments, "no-shuffle");
  job.json = given(arguments, "json");
  job.color = given(arguments, "color") || ::isatty(STDOUT_FILENO) == 1;
  return job;
}

}  // namespace fg::data_app
