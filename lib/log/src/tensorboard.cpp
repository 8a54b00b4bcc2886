#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/base/utf8.hpp>
#include <fg/log/tensorboard.hpp>

#include "append_file.hpp"
#include "event_message.hpp"

namespace fg::log {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "events.out.tfevents.";

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

/// The latest second in the names of the event files of `folder`, or 0.
std::int64_t latest_second(const fs::path& folder) {
  std::int64_t latest = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    std::int64_t second = 0;
    if (!name.starts_with(prefix)) continue;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), second);
    latest = std::max(latest, second);
  }
  return latest;
}

/// TensorBoard reads the files of a folder in the order of their names, so a clock that went back
/// must not put a later part before an earlier one.
fs::path new_file(const fs::path& folder) {
  try {
    fs::create_directories(folder);
    const std::int64_t second =
        std::max(static_cast<std::int64_t>(now()), latest_second(folder) + 1);
    std::array<char, 32> digits{};
    std::snprintf(digits.data(), digits.size(), "%010lld", static_cast<long long>(second));
    return folder / (std::string(prefix) + digits.data() + "." + host_name() + "." +
                     std::to_string(::getpid()) + ".fg");
  } catch (const fs::filesystem_error& error) {
    fail(ExitCode::cannot_save,
         folder.string() + ": cannot make TensorBoard's folder: " + error.code().message());
  }
}

std::string valid_utf8(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto bad = find_invalid_utf8(text);
    result += text.substr(0, bad.value_or(text.size()));
    if (!bad) break;
    append_utf8(result, 0xFFFD);
    text.remove_prefix(*bad + 1);
  }
  return result;
}

}  // namespace

struct EventFile::Stream {
  explicit Stream(const fs::path& folder) : file(new_file(folder)) {}
  void add(const std::string& message) { pending += framed(message); }

  AppendFile file;
  std::string pending;
};

EventFile::EventFile(const fs::path& folder, std::optional<std::int64_t> resumed_at)
    : stream_(std::make_unique<Stream>(folder)) {
  stream_->add(file_version_event({.wall_time = now(), .step = 0}));
  // TensorBoard hides all events from this step on that were read before this one. It takes the
  // first START of a folder for no restart, so a run that begins needs one too.
  const std::int64_t step = resumed_at ? *resumed_at + 1 : 0;
  stream_->add(session_start_event({.wall_time = now(), .step = step}));
  flush();
}

EventFile::~EventFile() = default;

void EventFile::scalar(std::string_view tag, std::int64_t step, double value) {
  stream_->add(
      scalar_event({.wall_time = now(), .step = step}, valid_utf8(tag), static_cast<float>(value)));
}

void EventFile::text(std::string_view tag, std::int64_t step, std::string_view markdown) {
  stream_->add(
      text_event({.wall_time = now(), .step = step}, valid_utf8(tag), valid_utf8(markdown)));
}

void EventFile::flush() {
  if (stream_->pending.empty()) return;
  stream_->file.append(stream_->pending);
  stream_->pending.clear();
}

const fs::path& EventFile::path() const noexcept {
  return stream_->file.path();
}

void write(EventFile& events, const TrainRecord& record) {
  events.scalar("train/loss", record.step, record.loss);
  if (record.grad_norm) events.scalar("train/grad_norm", record.step, *record.grad_norm);
  events.scalar("train/lr", record.step, record.lr);
  events.scalar("train/tokens_per_second", record.step, record.tokens_per_second);
  if (record.mfu) events.scalar("train/mfu", record.step, *record.mfu);
  if (!record.memory_gib.empty())
    events.scalar("train/memory_gib", record.step, *std::ranges::max_element(record.memory_gib));
  events.scalar("train/data_wait_s", record.step, record.data_wait_s);
  events.flush();
}

void write(EventFile& events, const EvalRecord& record) {
  events.scalar("eval/loss", record.step, record.eval_loss);
  events.scalar("eval/perplexity", record.step, record.eval_perplexity);
  events.flush();
}

void write_sample(EventFile& events, std::int64_t step, std::size_t number, std::string_view text) {
  std::string block;
  for (bool more = true; more;) {
    const std::size_t end = text.find('\n');
    block += (block.empty() ? "    " : "\n    ") + std::string(text.substr(0, end));
    more = end != std::string_view::npos;
    text.remove_prefix(more ? end + 1 : text.size());
  }
  events.text("samples/" + std::to_string(number), step, block);
  events.flush();
}

}  // namespace fg::log
