#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <fg/log/metrics.hpp>

namespace fg::log {

/// One event file that TensorBoard reads: scalars and texts by tag and step. Each run, and each
/// resumed part of one, has a file of its own; they sort by name in the order of their making. What
/// is added reaches the file at `flush`, in one write(). One rank, one thread. Error(cannot_save).
class EventFile {
public:
  /// Makes `folder` if absent. TensorBoard then hides what earlier files say of steps after
  /// `resumed_at` (the broken run's events beyond its checkpoint), or all of it where a run begins.
  EventFile(const std::filesystem::path& folder, std::optional<std::int64_t> resumed_at);
  ~EventFile();

  /// Kept as float, as TensorBoard does. May be nan or infinite.
  void scalar(std::string_view tag, std::int64_t step, double value);
  /// TensorBoard shows the text as Markdown; bytes that are not UTF-8 become U+FFFD.
  void text(std::string_view tag, std::int64_t step, std::string_view markdown);
  void flush();

  const std::filesystem::path& path() const noexcept;

private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

/// train/loss, train/grad_norm, train/lr, train/tokens_per_second, train/mfu, train/memory_gib (of
/// the fullest rank), train/data_wait_s; flushes.
void write(EventFile& events, const TrainRecord& record);
/// eval/loss, eval/perplexity; flushes.
void write(EventFile& events, const EvalRecord& record);
/// Text `samples/NUMBER`, shown letter by letter (as a Markdown code block); flushes.
void write_sample(EventFile& events, std::int64_t step, std::size_t number, std::string_view text);

}  // namespace fg::log
