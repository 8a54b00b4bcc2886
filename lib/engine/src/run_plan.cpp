#include <algorithm>
#include <string>

#include <fg/base/error.hpp>
#include <fg/data/prepare.hpp>
#include <fg/device/device.hpp>
#include <fg/engine/flops.hpp>
#include <fg/engine/process_memory.hpp>
#include <fg/engine/run_plan.hpp>
#include <fg/engine/updater.hpp>
#include <fg/log/log.hpp>
#include <fg/optim/token_budget.hpp>
#include <fg/params/weights.hpp>

namespace fg::engine {
namespace {

using Parameters = std::vector<optim::Parameter>;

void plan_model(const RunSettings& settings, RunPlan& plan) {
  const std::filesystem::path file = settings.model.config / "config.json";
  plan.config = arch::parse_model_config(read_json(file), file.string());
  plan.type = settings.device.is_cuda() ? at::kBFloat16 : at::kFloat;
  if (settings.model.dtype) plan.type = params::scalar_type_of(*settings.model.dtype);
  if (settings.device.is_cuda() && plan.type != at::kBFloat16)
    fail(ExitCode::usage, std::string("model.dtype ") + c10::toString(plan.type) +
                              ": training on a GPU computes in bfloat16; set model.dtype to "
                              "bfloat16 or auto, or --devices cpu");
  plan.layout = params::plan_layout(plan.config, params::whole(plan.config));
  const std::int64_t longest = plan.config.max_position_embeddings;
  if (static_cast<std::int64_t>(settings.data.train.seq_len) > longest)
    log::warning("train.seq_len is " + std::to_string(settings.data.train.seq_len) +
                 ", but the model was made for " + std::to_string(longest) + " positions");
}

void plan_batch(const RunSettings& settings, RunPlan& plan) {
  optim::validate(settings.budget);
  plan.tokens_per_step = optim::tokens_per_step(settings.budget);
  const auto size = static_cast<std::uint64_t>(settings.batch.microbatch_rows);
  plan.microbatches = (settings.batch.global_rows + size - 1) / size;
}

/// Every group's lr follows the scaling of the optimizer's own.
void plan_optimizer(const RunSettings& settings, const Parameters& parameters, RunPlan& plan) {
  const double scaling = optim::scaled_lr(settings.budget, 1);
  plan.lr = scaling * optim::read_options(settings.optimizer.settings, "optimizer").lr;
  plan.assignments =
      optim::assign_groups(settings.optimizer.settings, settings.optimizer.groups, parameters);
  for (optim::Assignment& assignment : plan.assignments.of_parameters)
    assignment.options.lr *= scaling;
  for (const std::string& group : plan.assignments.shadowed)
    log::warning("optimizer_groups: all parameters of '" + group + "' belong to earlier groups");
}

void plan_gradients(const RunSettings& settings, const Parameters& parameters, RunPlan& plan) {
  const optim::GradientNeeds needs{.microbatches = static_cast<std::int64_t>(plan.microbatches),
                                   .clip = settings.optimizer.clip,
                                   .nan = settings.optimizer.guard.nan,
                                   .spike = settings.optimizer.guard.spike};
  const bool kept = optim::gradients_are_kept(needs);
  optim::validate(settings.optimizer.clip);
  optim::validate(settings.optimizer.guard, kept);
  const std::int64_t tokens =
      settings.batch.microbatch_rows * static_cast<std::int64_t>(settings.data.train.seq_len);
  MemoryQuestion question{.config = plan.config,
                          .layout = plan.layout,
                          .type = plan.type,
                          .device = settings.device,
                          .policies = {.kept = plan.config.layers},
                          .microbatch_tokens = tokens,
                          .microbatches = needs.microbatches,
                          .kept = std::nullopt,
                          .optimizer = plan.assignments};
  if (kept) {
    const auto others = static_cast<std::uint64_t>(forecast_memory(question).total());
    const std::uint64_t available = available_memory(settings.device);
    plan.kept = optim::gradient_dtype(settings.optimizer.gradient_type, parameters,
                                      available - std::min(available, others));
    question.kept = plan.kept;
  }
  question.policies =
      choose_policies(question, settings.model.policy,
                      settings.model.budget_bytes.value_or(available_memory(settings.device)));
  plan.policies = question.policies;
  plan.memory = forecast_memory(question);
}

bool all_exist(const data::Options& options) {
  return std::all_of(
      options.sources.begin(), options.sources.end(),
      [](const data::Source& source) { return std::filesystem::exists(source.path); });
}

void plan_data(const RunSettings& settings, MissingData missing, RunPlan& plan) {
  const data::ChatEncoder encoder =
      data::ChatEncoder::load(settings.model.tokenizer, settings.data.chat_template);
  plan.tokenizer_hash = encoder.tokenizer_hash();
  plan.template_name = encoder.template_name();
  const auto tokens = static_cast<std::int64_t>(encoder.tokenizer().vocab_size());
  if (tokens > plan.config.vocab_size)
    fail(ExitCode::cannot_load,
         settings.model.tokenizer.string() + ": the tokenizer has " + std::to_string(tokens) +
             " tokens, but the model has rows for " + std::to_string(plan.config.vocab_size) +
             "; convert the model together with its tokenizer");
  const data::PackOptions pack{.seq_len = settings.data.train.seq_len, .pack = settings.data.pack};
  if (missing == MissingData::refuse || all_exist(settings.data.train)) {
    plan.train = std::make_unique<data::EpochPlans>(data::prepare(settings.data.train, encoder),
                                                    pack, settings.seed, true);
    plan.steps = std::make_unique<StepPlan>(*plan.train, settings.batch.global_rows);
  }
  if (settings.data.evaluation &&
      (missing == MissingData::refuse || all_exist(*settings.data.evaluation)))
    plan.evaluation = std::make_unique<data::EpochPlans>(
        data::prepare(*settings.data.evaluation, encoder), pack, settings.seed, false);
}

std::uint64_t steps_of(const RunPlan& plan, const optim::Duration& duration) {
  if (duration.unit == optim::Duration::Unit::steps) return duration.count;
  return std::max<std::uint64_t>(1, optim::steps_in(duration.count, plan.tokens_per_step));
}

std::uint64_t steps_of(const RunPlan& plan, const std::optional<optim::Duration>& duration) {
  return duration ? steps_of(plan, *duration) : 0;
}

RunLength length_of(const RunSettings& settings, const RunPlan& plan) {
  return {.epochs = settings.length.epochs,
          .max_steps = optim::most_steps(settings.length.max_steps, settings.length.max_tokens,
                                         plan.tokens_per_step)};
}

void plan_steps(const RunSettings& settings, RunPlan& plan) {
  TrainerSettings& trainer = plan.trainer;
  const RunLength length = length_of(settings, plan);
  trainer.total_steps = plan.steps ? plan.steps->total_steps(length) : length.max_steps.value_or(0);
  trainer.seed = settings.seed;
  trainer.microbatch_rows = settings.batch.microbatch_rows;
  trainer.log_every = std::max<std::uint64_t>(1, steps_of(plan, settings.cadence.log));
  trainer.eval_every = steps_of(plan, settings.cadence.evaluation);
  trainer.save_every = steps_of(plan, settings.cadence.save);
  trainer.sample_every =
      settings.cadence.sample ? steps_of(plan, settings.cadence.sample) : trainer.eval_every;
  if (settings.prompts.empty()) trainer.sample_every = 0;
  trainer.saves_at_epoch_ends = settings.cadence.saves_at_epoch_ends;
  trainer.saves_at_end = settings.cadence.saves_at_end;
  if (settings.evaluation.most_batches)
    trainer.eval_rows = *settings.evaluation.most_batches *
                        static_cast<std::uint64_t>(settings.batch.microbatch_rows);
  trainer.patience = settings.evaluation.patience;
  trainer.min_delta = settings.evaluation.min_delta;
  trainer.keeps_best = settings.checkpoint.retention.keep_best > 0;
  trainer.guard = settings.optimizer.guard;
  if (settings.device.is_cuda())
    trainer.peak_flops = device_peak_flops(device::describe_gpu(settings.device.index()).name);
  optim::validate(settings.optimizer.schedule, plan.lr);
  plan.schedule = std::make_unique<optim::LrSchedule>(
      settings.optimizer.schedule, plan.lr, plan.tokens_per_step,
      std::max<std::uint64_t>(1, trainer.total_steps));
}

}  // namespace

std::int64_t RunPlan::parameters() const {
  std::int64_t elements = 0;
  for (const params::LogicalTensor& tensor : layout.logical) elements += tensor.elements();
  return elements;
}

RunPlan make_plan(const RunSettings& settings, MissingData missing) {
  RunPlan plan;
  plan_model(settings, plan);
  plan_batch(settings, plan);
  const Parameters parameters = parameters_of(plan.layout, plan.type);
  plan_optimizer(settings, parameters, plan);
  plan_gradients(settings, parameters, plan);
  plan_data(settings, missing, plan);
  plan_steps(settings, plan);
  return plan;
}

}  // namespace fg::engine
