#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/engine/flops.hpp>
#include <fg/engine/process_memory.hpp>
#include <fg/engine/trainer.hpp>
#include <fg/log/log.hpp>

namespace fg::engine {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool is_due(std::uint64_t step, std::uint64_t every) {
  return every > 0 && step % every == 0;
}

Work work_of(const arch::ModelConfig& config, const model::Batch& batch) {
  Work work{.tokens = batch.tokens(), .trained = batch.trained()};
  const auto starts = batch.documents.starts();
  for (std::size_t document = 0; document + 1 < starts.size(); ++document)
    work.attended_pairs += attended_pairs(config, starts[document + 1] - starts[document]);
  return work;
}

}  // namespace

Trainer::Trainer(Parts parts, TrainerSettings settings, TrainerState state)
    : parts_(std::move(parts)),
      settings_(std::move(settings)),
      state_(std::move(state)),
      guard_(settings_.guard) {
  guard_.restore(state_.guard);
  parts_.clipper.restore(state_.last_norm);
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

Trainer::Microbatches Trainer::fetch(const StepRows& rows) {
  const auto size = static_cast<std::uint64_t>(settings_.microbatch_rows);
  Microbatches microbatches((rows.rows + size - 1) / size);
  for (auto& microbatch : microbatches) microbatch = feed_->next();
  return microbatches;
}

Trainer::StepResult Trainer::compute(const StepRows& rows, const Microbatches& microbatches) {
  const double factor = parts_.schedule.factor(state_.step);
  last_lr_ = parts_.schedule.lr(state_.step);
  parts_.updater.begin(static_cast<std::int64_t>(microbatches.size()),
                       {.step = state_.step, .seed = settings_.seed, .lr_factor = factor});
  const double scale = 1.0 / static_cast<double>(std::max<std::int64_t>(1, rows.trained));
  StepResult result;
  for (const auto& microbatch : microbatches) {
    const model::Batch batch = make_batch(parts_.model, microbatch);
    const double mean =
        fault_planted("engine.mean_of_means")
            ? 1.0 / static_cast<double>(std::max<std::int64_t>(
                        1, batch.trained() * static_cast<std::int64_t>(microbatches.size())))
            : scale;
    result.loss_sum += model::loss_sum(parts_.model.train(batch, mean, parts_.updater.gradients()));
    result.work += work_of(parts_.model.config(), batch);
  }
  result.gradients = parts_.updater.measure();
  return result;
}

void Trainer::step() {
  const StepRows rows = parts_.plan.at(state_.cursor);
  const Microbatches microbatches = fetch(rows);
  fail_point("train.step");
  optim::StepReport report{.step = state_.step + 1,
                           .gradients_kept = parts_.updater.keeps_gradients()};
  for (;;) {
    const StepResult result = compute(rows, microbatches);
    report.loss = result.loss_sum / static_cast<double>(std::max<std::int64_t>(1, rows.trained));
    report.norm = result.gradients.norm;
    const optim::Decision decision = guard_.judge(report);
    if (!decision.message.empty()) log::warning(decision.message);
    switch (decision.action) {
      case optim::Action::proceed:
        if (parts_.updater.keeps_gradients()) parts_.updater.apply();
        return accept(rows, result);
      case optim::Action::replay:
        report.replayed = true;
        continue;
      case optim::Action::skip:
        ++state_.step;
        state_.cursor = rows.next;
        return;
      case optim::Action::rollback:
        return roll_back(rows);
      case optim::Action::stop:
        fail(ExitCode::numerics,
             decision.message + "; the last checkpoint is untouched (docs/operations.md)");
    }
  }
}

void Trainer::accept(const StepRows& rows, const StepResult& result) {
  ++state_.step;
  state_.cursor = rows.next;
  state_.tokens += static_cast<std::uint64_t>(result.work.tokens);
  state_.trained_tokens += static_cast<std::uint64_t>(result.work.trained);
  state_.interval.loss_sum += result.loss_sum;
  state_.interval.work += result.work;
  ++state_.interval.steps;
  timed_ += result.work;
  last_norm_ = result.gradients.norm;
}

void Trainer::roll_back(const StepRows& rows) {
  auto restored = parts_.hooks.roll_back();
  if (!restored)
    fail(ExitCode::numerics,
         "step " + std::to_string(state_.step + 1) + ": there is no checkpoint to go back to");
  // The batches that led here are passed over: training goes on behind them.
  restored->cursor = rows.next;
  state_ = std::move(*restored);
  parts_.clipper.restore(state_.last_norm);
  saved_at_ = state_.step;
  evaluated_at_.reset();
  parts_.journal.rewind(state_.step);
  log::warning("went back to step " + std::to_string(state_.step));
  restart_feed();
}

void Trainer::write_record() {
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
    record.mfu = training_flops(parts_.model.config(), timed_) / seconds / *settings_.peak_flops;
  record.memory_gib = {static_cast<double>(process_memory().peak_resident) / (1 << 30)};
  record.data_wait_s = waited - waited_;
  parts_.journal.train(record,
                       log::seconds_left(static_cast<std::int64_t>(run_steps_), run_seconds_,
                                         static_cast<std::int64_t>(settings_.total_steps) -
                                             static_cast<std::int64_t>(state_.step)));
  waited_ = waited;
  seconds_ = 0;
  timed_ = {};
  state_.interval = {};
}

bool Trainer::evaluate() {
  const auto plan = parts_.evaluation->at(0);
  const Evaluation result =
      engine::evaluate(parts_.model, parts_.evaluation->set(), *plan, settings_.microbatch_rows,
                       settings_.eval_rows, [](std::uint64_t) {});
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

std::optional<RunEnd> Trainer::after_step() {
  const std::uint64_t step = state_.step;
  const bool is_last = step >= settings_.total_steps;
  const Requests requests = parts_.hooks.requests();
  if (requests.stop == ExitCode::terminated) return RunEnd::terminated;
  if (state_.interval.steps > 0 && (is_due(step, settings_.log_every) || is_last)) write_record();
  bool stops_early = false;
  if (parts_.evaluation != nullptr && settings_.eval_every > 0 &&
      (is_due(step, settings_.eval_every) || is_last))
    stops_early = evaluate() && !is_last;
  if (is_due(step, settings_.sample_every)) parts_.hooks.sample(step);
  const bool is_new_best =
      settings_.keeps_best && evaluated_at_ == step && state_.best_step == step;
  const bool ends_epoch = settings_.saves_at_epoch_ends && state_.cursor.row == 0;
  const bool is_asked = requests.save || requests.requeue || requests.stop.has_value();
  if (is_due(step, settings_.save_every) || ends_epoch || is_asked ||
      (settings_.saves_at_end && (is_last || stops_early || is_new_best)))
    save();
  if (stops_early) return RunEnd::stopped_early;
  if (is_last) return RunEnd::finished;
  if (requests.requeue) return RunEnd::requeue;
  if (requests.stop) return RunEnd::interrupted;
  return std::nullopt;
}

RunEnd Trainer::run() {
  if (state_.step >= settings_.total_steps) return RunEnd::finished;
  for (;;) {
    const double begin = now();
    step();
    const double spent = now() - begin;
    seconds_ += spent;
    run_seconds_ += spent;
    ++run_steps_;
    parts_.journal.step_done();
    if (const auto end = after_step()) {
      parts_.journal.finish();
      return *end;
    }
  }
}

}  // namespace fg::engine
