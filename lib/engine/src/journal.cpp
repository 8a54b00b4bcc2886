#include <fg/engine/journal.hpp>
#include <fg/log/log.hpp>

namespace fg::engine {
namespace {

std::optional<std::int64_t> as_signed(std::optional<std::uint64_t> step) {
  if (!step) return std::nullopt;
  return static_cast<std::int64_t>(*step);
}

}  // namespace

Journal::Journal(Options options) : options_(std::move(options)) {
  open();
  show_bar(options_.resumed_at.value_or(0));
}

void Journal::open() {
  if (options_.folder.empty()) return;
  metrics_.emplace(options_.folder, as_signed(options_.resumed_at));
  if (options_.tensorboard) events_.emplace(options_.folder / "tb", as_signed(options_.resumed_at));
}

void Journal::show_bar(std::uint64_t already) {
  if (!log::draws_on_terminal()) return;
  bar_.reset();
  bar_.emplace("training", options_.total_steps, log::Amount::steps, already);
}

void Journal::train(const log::TrainRecord& record, std::optional<double> eta_seconds) {
  if (metrics_) metrics_->write(record);
  if (events_) log::write(*events_, record);
  log::say(table_.lines(record, eta_seconds));
}

void Journal::evaluation(const log::EvalRecord& record) {
  if (metrics_) metrics_->write(record);
  if (events_) log::write(*events_, record);
  log::info(log::format_evaluation(record));
}

void Journal::sample(std::uint64_t step, std::size_t number, const std::string& text) {
  if (events_) log::write_sample(*events_, static_cast<std::int64_t>(step), number, text);
  log::info("sample " + std::to_string(number) + " at step " + std::to_string(step) + ": " + text);
}

void Journal::step_done() {
  if (bar_) bar_->advance(1);
}

void Journal::rewind(std::uint64_t step) {
  metrics_.reset();
  events_.reset();
  options_.resumed_at = step;
  open();
  show_bar(step);
}

void Journal::sync() {
  if (metrics_) metrics_->sync();
}

void Journal::finish() {
  if (bar_) bar_->finish();
  bar_.reset();
}

}  // namespace fg::engine
