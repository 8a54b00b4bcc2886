#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <fg/log/console.hpp>
#include <fg/log/metrics.hpp>
#include <fg/log/progress.hpp>
#include <fg/log/tensorboard.hpp>

namespace fg::engine {

/// Where a run tells what it does: console, metrics.jsonl and .csv, TensorBoard. On ranks other
/// than the first nothing is written. Error(cannot_save).
class Journal {
public:
  struct Options {
    std::filesystem::path folder;  // of the run; empty: no files
    bool tensorboard = true;
    std::optional<std::uint64_t> resumed_at;  // later records of an earlier run are dropped
    std::uint64_t total_steps = 0;
  };
  explicit Journal(Options options);

  /// `eta_seconds` is shown, not written.
  void train(const log::TrainRecord& record, std::optional<double> eta_seconds);
  void evaluation(const log::EvalRecord& record);
  void sample(std::uint64_t step, std::size_t number, const std::string& text);
  void step_done();
  /// The run went back to this step: what was written of later ones goes.
  void rewind(std::uint64_t step);
  /// Before a checkpoint that counts on the lines.
  void sync();
  void finish();

private:
  void open();
  void show_bar(std::uint64_t already);

  Options options_;
  log::TrainTable table_;
  std::optional<log::MetricsLog> metrics_;
  std::optional<log::EventFile> events_;
  std::optional<log::Progress> bar_;
};

}  // namespace fg::engine
