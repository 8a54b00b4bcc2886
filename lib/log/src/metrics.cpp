#include <span>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/log/log.hpp>
#include <fg/log/metrics.hpp>

#include "append_file.hpp"
#include "metrics_text.hpp"

namespace fg::log {
namespace {

namespace fs = std::filesystem;

void rename_file(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error)
    fail(ExitCode::cannot_save,
         from.string() + ": cannot rename to " + to.string() + ": " + error.message());
}

/// A file written beside `path` that takes its place at the end.
class Replacement {
public:
  explicit Replacement(const fs::path& path) : path_(path), file_(fresh(beside(path))) {}
  void write(std::string_view text) {
    pending_ += text;
    if (pending_.size() >= 1 << 16) flush();
  }
  void take_place() {
    flush();
    file_.finish();
    rename_file(file_.path(), path_);
  }

private:
  static fs::path beside(const fs::path& path) {
    return path.parent_path() / ("." + path.filename().string() + ".new");
  }
  /// What a killed job left there is removed.
  static fs::path fresh(const fs::path& path) {
    std::error_code ignored;
    fs::remove(path, ignored);
    return path;
  }
  void flush() {
    file_.write(pending_);
    pending_.clear();
  }

  fs::path path_;
  OutputFile file_;
  std::string pending_;
};

void keep_previous(const fs::path& folder) {
  for (const std::string ending : {".jsonl", ".csv"}) {
    const fs::path path = folder / ("metrics" + ending);
    if (fs::exists(path)) rename_file(path, folder / ("metrics.previous" + ending));
  }
}

/// The lines of `text` without their breaks; the last may lack its break.
template <typename Visit>
void for_each_line(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    visit(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

/// Rewrites both files with the records of steps up to `last`.
void keep_until(const fs::path& folder, std::int64_t last) {
  const fs::path path = folder / "metrics.jsonl";
  Replacement json(path), csv(folder / "metrics.csv");
  csv.write(csv_header());
  std::size_t later = 0, unreadable = 0;
  if (fault_planted("log.metrics_kept_beyond")) ++last;
  if (fault_planted("log.metrics_lost")) --last;
  if (fs::exists(path)) {
    const MappedFile old(path);
    const auto bytes = old.bytes();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for_each_line(text, [&](std::string_view line) {
      const auto row = read_metrics_line(line);
      if (!row) return void(++unreadable);
      if (row->step > last) return void(++later);
      json.write(line);
      json.write("\n");
      csv.write(row->csv);
    });
  }
  json.take_place();
  csv.take_place();
  sync_path(folder);
  if (later > 0)
    info(path.string() + ": " + std::to_string(later) + " records after step " +
         std::to_string(last) + " dropped; the run goes on from there");
  if (unreadable > 0)
    warning(path.string() + ": " + std::to_string(unreadable) +
            " cut or damaged lines dropped (a job that was killed leaves at most one)");
}

}  // namespace

struct MetricsLog::Files {
  explicit Files(const fs::path& folder)
      : json(folder / "metrics.jsonl"), csv(folder / "metrics.csv") {}
  void write(const std::string& line) {
    json.append(line + "\n");
    csv.append(read_metrics_line(line).value().csv);
  }

  AppendFile json;
  AppendFile csv;
};

MetricsLog::MetricsLog(const fs::path& folder, std::optional<std::int64_t> resumed_at) {
  if (!resumed_at) keep_previous(folder);
  keep_until(folder, resumed_at.value_or(0));
  files_ = std::make_unique<Files>(folder);
}

MetricsLog::~MetricsLog() = default;

void MetricsLog::write(const TrainRecord& record) {
  files_->write(json_line(record));
}

void MetricsLog::write(const EvalRecord& record) {
  files_->write(json_line(record));
}

void MetricsLog::sync() {
  files_->json.sync();
  files_->csv.sync();
}

}  // namespace fg::log
