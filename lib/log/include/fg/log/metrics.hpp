#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fg::log {

/// What one log step says. A number that is not known (no device peak, no norm asked for) is left
/// out of the files; one that is not finite is written as null and named under "not_finite".
struct TrainRecord {
  std::int64_t step = 0;  // optimizer steps done
  double epoch = 0;       // passes over the data done, with their fraction
  double loss = 0;        // mean over the trained tokens since the last record
  std::optional<double> grad_norm;
  double lr = 0;
  std::int64_t tokens = 0;          // real positions since the run began, resumed parts included
  std::int64_t trained_tokens = 0;  // those of them with a target
  double tokens_per_second = 0;     // positions, since the last record
  std::optional<double> mfu;        // 0 to 1
  std::vector<double> memory_gib;   // the peak of each rank
  double data_wait_s = 0;           // waited for batches since the last record
};

struct EvalRecord {
  std::int64_t step = 0;
  double eval_loss = 0;
  double eval_perplexity = 0;
  std::int64_t eval_tokens = 0;
};

/// One JSON object without a line break. Never invalid JSON, whatever the numbers are.
std::string json_line(const TrainRecord& record);
std::string json_line(const EvalRecord& record);

/// The metrics of a run: `metrics.jsonl`, one object a line, is the truth; `metrics.csv` holds the
/// same rows in fixed columns (of memory the fullest rank; "nan", "inf" and "-inf" as such). Each
/// line is one write(), so a killed job leaves all its records. One rank, one thread. Errors are
/// Error(cannot_save), or Error(cannot_load) where the old file cannot be read.
class MetricsLog {
public:
  /// Goes on after step `resumed_at`: records of later steps and a half last line are dropped from
  /// the first file, the second is made from it anew; each is rewritten beside and renamed. Without
  /// a step the run begins: records of an earlier run move to `metrics.previous.jsonl` and `.csv`.
  MetricsLog(const std::filesystem::path& folder, std::optional<std::int64_t> resumed_at);
  ~MetricsLog();

  void write(const TrainRecord& record);
  void write(const EvalRecord& record);
  /// To the disk itself, as a checkpoint is: what it counts on must outlast a power cut too.
  void sync();

private:
  struct Files;
  std::unique_ptr<Files> files_;
};

}  // namespace fg::log
