#include <array>
#include <cstdio>
#include <optional>
#include <random>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/base/version.hpp>
#include <fg/data/prepare.hpp>
#include <fg/log/log.hpp>
#include <fg/store/hash.hpp>

#include "cache_file.hpp"
#include "cache_lock.hpp"
#include "tokenise.hpp"

namespace fg::data {
namespace {

namespace fs = std::filesystem;

std::string key_of(const std::vector<SourceFiles>& sources, const Options& options,
                   const ChatEncoder& encoder) {
  store::Hasher hasher;
  const auto add = [&](const std::string& name, std::string_view value) {
    hasher.update(name + " " + std::to_string(value.size()) + " ");
    hasher.update(value);
    hasher.update("\n");
  };
  add("fg", version());
  add("cache", std::to_string(cache_version));
  add("tokenizer", encoder.tokenizer_hash());
  add("template", encoder.template_hash());
  add("train_on", name_of(options.train_on));
  add("too_long", name_of(options.too_long));
  add("seq_len", std::to_string(options.seq_len));
  static const bool only_sizes = fault_planted("data.stale_cache_accepted");
  for (const SourceFiles& source : sources) {
    std::array<char, 40> weight{};
    std::snprintf(weight.data(), weight.size(), "%a", source.weight);
    add("source", std::to_string(source.files.size()));
    add("format", name_of(source.format));
    add("split", source.split);
    add("weight", weight.data());
    for (const fs::path& file : source.files) {
      if (options.check) options.check();
      const auto record = store::record_of_file(file, ExitCode::data);
      // The name decides how a file is read by its endings alone.
      add("endings", file.extension().string() + " " + file.stem().extension().string());
      add("content", std::to_string(record.size) + (only_sizes ? "" : " " + record.xxh3_128));
    }
  }
  return hasher.hex();
}

/// Nothing where there is no whole entry; `tell`: and say so if there is one that is damaged.
std::optional<TokenSet> open_if_whole(const fs::path& path, const std::string& key, bool tell) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  try {
    return TokenSet::open(path, key);
  } catch (const Error& error) {
    if (tell) log::warning(std::string(error.what()) + "; it is made anew");
    return std::nullopt;
  }
}

/// Those of processes that were killed: whoever calls this holds the lock, so nobody is at work.
void remove_left_overs(const fs::path& folder, const std::string& start) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->path().filename().string().starts_with(start)) fs::remove(entry->path(), ignored);
  }
}

/// A file that is removed again unless it got its final name.
class TemporaryFile {
public:
  explicit TemporaryFile(fs::path path) : path_(std::move(path)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove(path_, ignored);
  }
  void rename_to(const fs::path& target) {
    std::error_code error;
    fs::rename(path_, target, error);
    if (error)
      fail(ExitCode::cannot_save, target.string() + ": cannot be renamed to: " + error.message());
    path_.clear();
    sync_path(target.parent_path());
  }
  const fs::path& path() const { return path_; }

private:
  fs::path path_;
};

void make_cache(const std::vector<SourceFiles>& sources, const Options& options,
                const ChatEncoder& encoder, const fs::path& target, const std::string& key,
                bool is_alone) {
  const std::string start = target.filename().string() + ".tmp-";
  if (is_alone) remove_left_overs(target.parent_path(), start);
  std::random_device random;
  TemporaryFile temporary(target.parent_path() / (start + std::to_string(random())));
  Counts counts;
  std::vector<SourceRange> ranges;
  CacheWriter writer(temporary.path(), key);
  tokenise(sources, options, encoder, writer, counts, ranges);
  if (counts.documents == 0) {
    std::string why = counts.records == 0 ? "it holds no records" : "nothing in it is trained";
    if (counts.records > 0 && options.train_on == TrainOn::assistant)
      why +=
          " (train_on: assistant; are there assistant messages, and does the template show them?)";
    fail(ExitCode::data, sources.front().files.front().string() + ": " + why);
  }
  writer.finish(counts, ranges);
  fail_point("data.cache_written");
  temporary.rename_to(target);
}

}  // namespace

std::string cache_key(const Options& options, const ChatEncoder& encoder) {
  return key_of(find_sources(options), options, encoder);
}

TokenSet prepare(const Options& options, const ChatEncoder& encoder) {
  fail_point("data.prepare");
  const std::vector<SourceFiles> sources = find_sources(options);
  const std::string key = key_of(sources, options, encoder);
  const fs::path folder =
      options.cache_folder.empty() ? default_cache_folder() : options.cache_folder;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    fail(ExitCode::cannot_save, folder.string() +
                                    ": the folder for the cache of tokens cannot be "
                                    "made: " +
                                    error.message() + "; set XDG_CACHE_HOME to another place");
  const fs::path path = folder / (key + ".tokens");
  if (auto set = open_if_whole(path, key, false)) return *std::move(set);
  const CacheLock lock(folder / (key + ".lock"), options.check);
  if (auto set = open_if_whole(path, key, true)) return *std::move(set);
  make_cache(sources, options, encoder, path, key, lock.is_held());
  return TokenSet::open(path, key);
}

}  // namespace fg::data
