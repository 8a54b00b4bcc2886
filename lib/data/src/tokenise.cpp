#include "tokenise.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <thread>

#include <fg/base/error.hpp>
#include <fg/data/split.hpp>
#include <fg/log/progress.hpp>

#include "fit.hpp"
#include "ordered_pool.hpp"
#include "source_files.hpp"

namespace fg::data {
namespace {

constexpr std::size_t block_bytes = 256 << 10;

/// Records [begin, end) of one file.
struct Stretch {
  const RecordFile* file = nullptr;
  Format format = Format::automatic;
  std::size_t begin = 0, end = 0;
  std::uint64_t first_record = 0;  // of `begin`, in the source
  std::uint64_t bytes = 0;
};

struct Part {
  DocumentBlock block;
  Counts counts;
  std::uint64_t bytes = 0;
};

/// A source's files, read, and its records in stretches of about block_bytes.
class LoadedSource {
public:
  LoadedSource(const SourceFiles& source, const Options& options) {
    std::size_t records = 0;
    for (const auto& path : source.files) {
      if (options.check) options.check();
      files_.push_back(std::make_unique<RecordFile>(path));
      records += files_.back()->size();
    }
    const std::string place = source.files.size() == 1
                                  ? source.files.front().string()
                                  : source.files.front().parent_path().string();
    const Split::Range range = Split::parse(source.split).of(records, place);
    std::size_t before = 0;
    for (const auto& file : files_) {
      const auto clamp = [&](std::size_t at) {
        return std::clamp(at, before, before + file->size()) - before;
      };
      add(*file, source.format, clamp(range.begin), clamp(range.end));
      before += file->size();
    }
  }

  const std::vector<Stretch>& stretches() const { return stretches_; }

  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const Stretch& stretch : stretches_) sum += stretch.bytes;
    return sum;
  }

private:
  void add(const RecordFile& file, Format format, std::size_t begin, std::size_t end) {
    if (begin == end) return;
    if (format == Format::automatic)
      format = detect_format(file.record(0), file.container(), file.place(0));
    while (begin < end) {
      Stretch stretch{&file, format, begin, begin, records_, 0};
      for (; stretch.end < end && stretch.bytes < block_bytes; ++stretch.end)
        stretch.bytes += file.record(stretch.end).size();
      records_ += stretch.end - begin;
      begin = stretch.end;
      stretches_.push_back(stretch);
    }
  }

  std::vector<std::unique_ptr<RecordFile>> files_;
  std::vector<Stretch> stretches_;
  std::uint64_t records_ = 0;
};

Encoded encode(Record record, const ChatEncoder& encoder, TrainOn train_on,
               const std::string& place) {
  try {
    if (!record.is_chat) return encoder.encode_text(record.text);
    if (record.chat.messages.empty()) return {};
    return encoder.encode_chat(std::move(record.chat), train_on);
  } catch (const Error& error) {
    fail(error.code(), place + ": " + error.what());
  }
}

Part make_part(const Stretch& stretch, const Options& options, const ChatEncoder& encoder) {
  Part part;
  part.bytes = stretch.bytes;
  for (std::size_t index = stretch.begin; index < stretch.end; ++index) {
    const RecordFile& file = *stretch.file;
    const std::string place = file.place(index);
    Record record = parse_record(file.record(index), file.container(), stretch.format, place);
    Encoded encoded = encode(std::move(record), encoder, options.train_on, place);
    const std::uint64_t number = stretch.first_record + (index - stretch.begin);
    for (const Encoded& document :
         fit(std::move(encoded), options.seq_len, options.too_long, part.counts))
      part.block.add(document, number);
  }
  return part;
}

void add_counts(Counts& sum, const Counts& part) {
  sum.records += part.records;
  sum.documents += part.documents;
  sum.tokens += part.tokens;
  sum.trained_tokens += part.trained_tokens;
  sum.cut_records += part.cut_records;
  sum.cut_tokens += part.cut_tokens;
  sum.cut_trained_tokens += part.cut_trained_tokens;
  sum.split_records += part.split_records;
  sum.split_windows += part.split_windows;
  sum.dropped_records += part.dropped_records;
  sum.dropped_windows += part.dropped_windows;
  sum.longest_record = std::max(sum.longest_record, part.longest_record);
}

unsigned threads_of(const Options& options) {
  return options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

std::vector<SourceFiles> find_sources(const Options& options) {
  if (options.sources.empty()) fail(ExitCode::usage, "no data: no path is named");
  if (options.seq_len < 2) fail(ExitCode::usage, "seq_len must be at least 2");
  std::vector<SourceFiles> found;
  for (const Source& source : options.sources) {
    if (!std::isfinite(source.weight) || source.weight <= 0 || source.weight > 1000)
      fail(ExitCode::usage, source.path.string() + ": a weight must be above 0, at most 1000");
    SourceFiles files;
    files.format = source.format.value_or(options.format);
    files.split = source.split.value_or(options.split);
    files.weight = source.weight;
    files.files = files_of(source.path, Split::parse(files.split).name());
    found.push_back(std::move(files));
  }
  return found;
}

void tokenise(const std::vector<SourceFiles>& sources, const Options& options,
              const ChatEncoder& encoder, CacheWriter& writer, Counts& counts,
              std::vector<SourceRange>& ranges) {
  for (const SourceFiles& source : sources) {
    const LoadedSource loaded(source, options);
    const auto& stretches = loaded.stretches();
    const std::size_t first = writer.documents();
    std::optional<log::Progress> progress;
    if (options.show_progress) progress.emplace("tokenising", loaded.bytes());
    OrderedPool<Part> pool(stretches.size(), threads_of(options), [&](std::size_t index) {
      return make_part(stretches[index], options, encoder);
    });
    const auto take = [&](Part part) {
      writer.add(part.block);
      add_counts(counts, part.counts);
      if (progress) progress->advance(part.bytes);
    };
    pool.run(take, [&] {
      if (options.check) options.check();
    });
    if (progress) progress->finish();
    ranges.push_back({first, writer.documents(), source.weight});
  }
}

}  // namespace fg::data
