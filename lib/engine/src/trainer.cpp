#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <utility>

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/device/memory.hpp>
#include <fg/engine/flops.hpp>
#include <fg/engine/pace.hpp>
#include <fg/engine/process_memory.hpp>
#include <fg/engine/trainer.hpp>
#include <fg/log/log.hpp>
#include <fg/session/pulse.hpp>

#include "step_profile.hpp"

namespace fg::engine {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool is_due(std::uint64_t step, std::uint64_t every) {
  return every > 0 && step % every == 0;
}

}  // namespace

Trainer::Trainer(Parts parts, TrainerSettings settings, TrainerState state)
    : parts_(std::move(parts)),
      settings_(std::move(settings)),
      state_(std::move(state)),
      guard_(settings_.guard) {
  guard_.restore(state_.guard);
  parts_.updater.restore(state_.last_norm);
  // A spike that is to be skipped must be seen before its update.
  const bool waits_for_loss =
      parts_.updater.waits_for_numbers() && settings_.guard.spike == optim::SpikePolicy::skip;
  most_in_air_ = parts_.device.is_cuda() && !waits_for_loss ? 1 : 0;
  if (state_.step > 0) saved_at_ = state_.step;
  restart_feed();
}

void Trainer::restart_feed() {
  // The thread walks ahead of the loop with a cursor of its own.
  auto next = [&plan = parts_.plan, size = static_cast<std::uint64_t>(settings_.microbatch_rows),
               cursor = state_.cursor, step = StepRows(),
               done = std::uint64_t{0}]() mutable -> std::vector<data::RowId> {
    if (done == step.rows) {
      step = plan.at(cursor);
      cursor = step.next;
      done = 0;
    }
    std::vector<data::RowId> rows;
    for (const std::uint64_t end = std::min(step.rows, done + size); done < end; ++done)
      rows.push_back({step.epoch, static_cast<std::size_t>(step.first + done)});
    return rows;
  };
  feed_.emplace(std::move(next), parts_.epochs);
  waited_ = 0;
}

Trainer::StepData Trainer::fetch() {
  if (!returned_.empty()) {
    StepData data = std::move(returned_.front());
    returned_.pop_front();
    return data;
  }
  StepData data;
  data.rows = parts_.plan.at(flights_.empty() ? state_.cursor : flights_.back().data.rows.next);
  const auto size = static_cast<std::uint64_t>(settings_.microbatch_rows);
  data.microbatches.resize((data.rows.rows + size - 1) / size);
  for (auto& microbatch : data.microbatches) microbatch = feed_->next();
  fail_point("train.step");
  return data;
}

Trainer::Flight Trainer::launch(StepData data) {
  const std::uint64_t step = state_.step + flights_.size();
  Flight flight{.data = std::move(data),
                .lr = parts_.schedule.lr(step),
                .work = {},
                .own = device::Laps(parts_.device),
                .numbers = {}};
  flight.work = work_of(parts_.config, flight.data.microbatches);
  flight.numbers =
      device::Readback(parts_.runner.run({.microbatches = flight.data.microbatches,
                                          .trained = flight.data.rows.trained,
                                          .context = {.step = step,
                                                      .seed = settings_.seed,
                                                      .lr_factor = parts_.schedule.factor(step)}},
                                         flight.own));
  if (parts_.updater.waits_for_numbers() && most_in_air_ > 0) parts_.updater.apply();
  return flight;
}

optim::StepReport Trainer::report_of(Flight& flight) const {
  const double* const numbers = flight.numbers.values().data_ptr<double>();
  const std::int64_t trained = std::max<std::int64_t>(1, flight.data.rows.trained);
  return {.step = state_.step + 1,
          .loss = numbers[0] / static_cast<double>(trained),
          .norm = numbers[2] == 0 || !std::isfinite(numbers[1]) ? numbers[1] : std::nan(""),
          .gradients_kept = parts_.updater.waits_for_numbers()};
}

void Trainer::settle() {
  Flight flight = std::move(flights_.front());
  flights_.pop_front();
  const double begin = now();
  optim::StepReport report = report_of(flight);
  for (;;) {
    const bool is_bad = !std::isfinite(report.norm);
    const optim::Decision decision = guard_.judge(report);
    if (!decision.message.empty()) log::common_warning(decision.message);
    if (decision.action == optim::Action::stop)
      fail(ExitCode::numerics,
           decision.message + "; the last checkpoint is untouched (docs/operations.md)");
    if (decision.action == optim::Action::proceed) {
      if (parts_.updater.waits_for_numbers() && most_in_air_ == 0) parts_.updater.apply();
      flight.seconds += now() - begin;
      return accept(flight, report);
    }
    // What was started behind a bad step has changed nothing and must begin anew.
    for (Flight& later : flights_) returned_.push_back(std::move(later.data));
    flights_.clear();
    if (is_bad) parts_.updater.forget_bad();
    if (decision.action == optim::Action::skip) {
      ++state_.step;
      state_.cursor = flight.data.rows.next;
      return;
    }
    if (decision.action == optim::Action::rollback) return roll_back(flight.data.rows);
    flight = launch(std::move(flight.data));
    report = report_of(flight);
    report.replayed = true;
  }
}

void Trainer::accept(Flight& flight, const optim::StepReport& report) {
  ++state_.step;
  state_.cursor = flight.data.rows.next;
  state_.tokens += static_cast<std::uint64_t>(flight.work.tokens);
  state_.trained_tokens += static_cast<std::uint64_t>(flight.work.trained);
  state_.interval.loss_sum += flight.numbers.values().data_ptr<double>()[0];
  state_.interval.work += flight.work;
  ++state_.interval.steps;
  timed_ += flight.work;
  seconds_ += flight.seconds;
  static const bool fetches_alone = fault_planted("engine.computing_not_counted");
  own_seconds_ += flight.fetch_seconds + (fetches_alone ? 0 : flight.own.seconds());
  ++own_steps_;
  run_seconds_ += flight.seconds;
  last_lr_ = flight.lr;
  last_norm_ = report.norm;
  parts_.updater.finished(report.norm);
}

void Trainer::roll_back(const StepRows& rows) {
  auto restored = parts_.hooks.roll_back();
  if (!restored)
    fail(ExitCode::numerics,
         "step " + std::to_string(state_.step + 1) + ": there is no checkpoint to go back to");
  // The batches that led here are passed over: training goes on behind them.
  restored->cursor = rows.next;
  state_ = std::move(*restored);
  parts_.updater.restore(state_.last_norm);
  returned_.clear();
  saved_at_ = state_.step;
  evaluated_at_.reset();
  parts_.journal.rewind(state_.step);
  log::common_warning("went back to step " + std::to_string(state_.step));
  restart_feed();
}

void Trainer::compare_places() {
  parts_.hooks.require_same({{"step", std::to_string(state_.step)},
                             {"place in the data", std::to_string(state_.cursor.epoch) + ":" +
                                                       std::to_string(state_.cursor.row)},
                             {"trained tokens", std::to_string(state_.trained_tokens)}});
}

void Trainer::write_record() {
  compare_places();
  const Interval& interval = state_.interval;
  const double waited = feed_->wait_seconds();
  log::TrainRecord record;
  record.step = static_cast<std::int64_t>(state_.step);
  record.epoch = parts_.plan.epochs_at(state_.cursor);
  record.loss = interval.mean_loss();
  record.grad_norm = last_norm_;
  record.lr = last_lr_;
  record.tokens = static_cast<std::int64_t>(state_.tokens);
  record.trained_tokens = static_cast<std::int64_t>(state_.trained_tokens);
  const double seconds = std::max(seconds_, 1e-9);
  record.tokens_per_second = static_cast<double>(timed_.tokens) / seconds;
  if (settings_.peak_flops)
    record.mfu = training_flops(parts_.config, timed_) / seconds / *settings_.peak_flops;
  const at::Device device = parts_.device;
  const std::uint64_t peak =
      device.is_cuda() ? device::memory_of(device).peak_allocated : process_memory().peak_resident;
  record.memory_gib = parts_.hooks.gather(static_cast<double>(peak) / (1 << 30));
  record.data_wait_s = waited - waited_;
  parts_.journal.train(record,
                       log::seconds_left(static_cast<std::int64_t>(run_steps_), run_seconds_,
                                         static_cast<std::int64_t>(settings_.total_steps) -
                                             static_cast<std::int64_t>(state_.step)));
  report_pace();
  waited_ = waited;
  seconds_ = 0;
  timed_ = {};
  state_.interval = {};
}

void Trainer::report_pace() {
  const double steps = static_cast<double>(std::exchange(own_steps_, 0));
  const std::vector<double> all =
      parts_.hooks.gather(std::exchange(own_seconds_, 0) / std::max(1.0, steps));
  const auto straggler = find_straggler(all);
  // Once is enough for the part of a pipeline that has most to do.
  if (straggler && straggler != straggler_)
    log::info(describe_straggler(all, *straggler, parts_.hosts[*straggler]));
  straggler_ = straggler;
}

Evaluation Trainer::losses_of_evaluation() {
  const auto plan = parts_.evaluation->at(0);
  const auto all = static_cast<std::uint64_t>(plan->rows());
  const std::uint64_t rows = std::min(all, settings_.eval_rows.value_or(all));
  const session::Activity activity("evaluation");
  Evaluation result;
  std::vector<at::Tensor> losses;
  for (std::uint64_t row = 0; row < rows;) {
    Microbatches batches;
    while (row < rows && batches.size() < settings_.batches_at_once) {
      const std::uint64_t end =
          std::min(rows, row + static_cast<std::uint64_t>(settings_.microbatch_rows));
      batches.push_back(rows_between(parts_.evaluation->set(), *plan, row, end));
      row = end;
    }
    result.tokens += work_of(parts_.config, batches).trained;
    fail_point("train.evaluation");
    losses.push_back(parts_.runner.losses_of(batches));
  }
  device::Readback sum(sum_in_order(at::cat(losses)));
  result.loss_sum = *sum.values().data_ptr<double>();
  return result;
}

bool Trainer::evaluate() {
  const Evaluation result = losses_of_evaluation();
  evaluated_at_ = state_.step;
  eval_loss_ = result.loss();
  parts_.journal.evaluation({.step = static_cast<std::int64_t>(state_.step),
                             .eval_loss = result.loss(),
                             .eval_perplexity = result.perplexity(),
                             .eval_tokens = result.tokens});
  const bool is_gain = !state_.best_loss || result.loss() < *state_.best_loss - settings_.min_delta;
  state_.evaluations_without_gain = is_gain ? 0 : state_.evaluations_without_gain + 1;
  if (is_gain) {
    state_.best_loss = result.loss();
    state_.best_step = state_.step;
  }
  return settings_.patience && state_.evaluations_without_gain >= *settings_.patience;
}

void Trainer::save() {
  if (saved_at_ == state_.step) return;
  state_.guard = guard_.memory();
  state_.last_norm = parts_.clipper.last_norm();
  parts_.journal.sync();
  parts_.hooks.save(state_,
                    evaluated_at_ == state_.step ? std::optional(eval_loss_) : std::nullopt);
  saved_at_ = state_.step;
}

Trainer::Due Trainer::due_after(std::uint64_t step, const Cursor& next) const {
  const bool is_last = step >= settings_.total_steps;
  const bool evaluates = parts_.evaluation != nullptr && settings_.eval_every > 0;
  return {.is_last = is_last,
          .evaluation = evaluates && (is_due(step, settings_.eval_every) || is_last),
          .sample = is_due(step, settings_.sample_every),
          .save = is_due(step, settings_.save_every) ||
                  (settings_.saves_at_epoch_ends && next.row == 0)};
}

bool Trainer::must_land() const {
  const Due due = due_after(state_.step + flights_.size(), flights_.back().data.rows.next);
  return due.is_last || due.evaluation || due.sample || due.save || requests_.any();
}

void Trainer::poll() {
  const double begin = now();
  const Requests fresh = parts_.hooks.requests();
  const double waited = now() - begin;  // for the ranks that are behind, so it is a step's time
  seconds_ += waited;
  run_seconds_ += waited;
  requests_.save |= fresh.save;
  requests_.requeue |= fresh.requeue;
  if (fresh.stop) requests_.stop = fresh.stop;
}

std::optional<RunEnd> Trainer::after_step() {
  const std::uint64_t step = state_.step;
  const Due due = due_after(step, state_.cursor);
  poll();
  if (requests_.stop == ExitCode::terminated) return RunEnd::terminated;
  if (state_.interval.steps > 0 && (is_due(step, settings_.log_every) || due.is_last))
    write_record();
  if (!flights_.empty()) return std::nullopt;  // the weights are a later step's
  const Requests requests = std::exchange(requests_, {});
  const bool stops_early = due.evaluation && evaluate() && !due.is_last;
  if (due.sample) parts_.hooks.sample(step);
  const bool is_new_best =
      settings_.keeps_best && evaluated_at_ == step && state_.best_step == step;
  if (due.save || requests.any() ||
      (settings_.saves_at_end && (due.is_last || stops_early || is_new_best)))
    save();
  if (stops_early) return RunEnd::stopped_early;
  if (due.is_last) return RunEnd::finished;
  if (requests.requeue) return RunEnd::requeue;
  if (requests.stop) return RunEnd::interrupted;
  return std::nullopt;
}

RunEnd Trainer::run() {
  if (state_.step >= settings_.total_steps) return RunEnd::finished;
  StepProfile profile(settings_.profile, parts_.device);
  for (;;) {
    profile.before(state_.step + flights_.size() + 1);
    const double begin = now();
    StepData data = fetch();
    const double fetched = now();
    flights_.push_back(launch(std::move(data)));
    flights_.back().seconds = now() - begin;
    flights_.back().fetch_seconds = fetched - begin;
    while (!flights_.empty() && flights_.size() > (must_land() ? 0 : most_in_air_)) {
      settle();
      ++run_steps_;
      parts_.journal.step_done();
      if (const auto how = after_step()) {
        parts_.journal.finish();
        return *how;
      }
    }
  }
}

}  // namespace fg::engine
