#include "options.hpp"

#include <charconv>
#include <filesystem>
#include <system_error>

#include <unistd.h>

namespace fg::data_app {
namespace {

using app::given;
using app::text;

constexpr const char* pack_options[] = {"data",     "format", "split", "seq-len", "train-on",
                                        "too-long", "seed",   "epoch", "no-pack", "no-shuffle",
                                        "preview",  "json",   "color", "cache"};

template <typename Value>
void read_word(const app::Arguments& arguments, const char* name,
               Value (*parse)(std::string_view, const std::string&), Value& value,
               app::Mistakes& mistakes) {
  if (!given(arguments, name)) return;
  mistakes.collect([&] { value = parse(text(arguments, name), std::string("--") + name); });
}

/// "chats.jsonl", or "chats.jsonl:0.5" with a weight. What is there by the whole name is that.
data::Source source_of(const std::string& word) {
  data::Source source;
  source.path = word;
  const std::size_t colon = word.rfind(':');
  std::error_code ignored;
  if (colon == std::string::npos || std::filesystem::exists(source.path, ignored)) return source;
  double weight = 0;
  const char* end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data() + colon + 1, end, weight);
  if (error != std::errc() || stop != end) return source;
  source.path = word.substr(0, colon);
  source.weight = weight;
  return source;
}

}  // namespace

void add_pack_options(app::Program& program) {
  auto add = program.own.add_options();
  using app::word;
  const data::Options defaults;
  add("data", app::words(),
      "file (.json, .jsonl, .txt, also .gz) or folder; may be given several times, and with a "
      "weight: chats.jsonl:0.5 (each epoch half of it)");
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

PackJob read_pack_options(const app::Arguments& arguments, app::Mistakes& mistakes) {
  PackJob job;
  for (const std::string& word : app::texts(arguments, "data"))
    job.data.sources.push_back(source_of(word));
  if (!given(arguments, "data")) mistakes.add("missing option: --data PATH[:WEIGHT]");
  read_word(arguments, "format", data::parse_format, job.data.format, mistakes);
  read_word(arguments, "train-on", data::parse_train_on, job.data.train_on, mistakes);
  read_word(arguments, "too-long", data::parse_too_long, job.data.too_long, mistakes);
  job.data.seq_len =
      app::whole_number(arguments, "seq-len", mistakes, 2, 1 << 24).value_or(job.data.seq_len);
  job.seed = app::whole_number(arguments, "seed", mistakes, 0).value_or(job.seed);
  job.epoch = app::whole_number(arguments, "epoch", mistakes, 0).value_or(job.epoch);
  job.preview =
      app::whole_number(arguments, "preview", mistakes, 0, 1'000'000).value_or(job.preview);
  job.data.split = text(arguments, "split");
  job.data.cache_folder = text(arguments, "cache");
  job.pack = !given(arguments, "no-pack");
  job.shuffle = !given(arguments, "no-shuffle");
  job.json = given(arguments, "json");
  job.color = given(arguments, "color") || ::isatty(STDOUT_FILENO) == 1;
  return job;
}

}  // namespace fg::data_app
