#include <algorithm>
#include <string>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/data/prepare.hpp>
#include <fg/device/device.hpp>
#include <fg/engine/flops.hpp>
#include <fg/engine/process_memory.hpp>
#include <fg/engine/run_plan.hpp>
#include <fg/engine/updater.hpp>
#include <fg/log/log.hpp>
#include <fg/optim/token_budget.hpp>
#include <fg/params/weights.hpp>
#include <fg/store/hash.hpp>

namespace fg::engine {
namespace {

void plan_model(const RunSettings& settings, RunPlan& plan) {
  const std::filesystem::path file = settings.model.config / "config.json";
  const Json config = read_json(file);
  plan.config = arch::parse_model_config(config, file.string());
  plan.config_hash = store::hash_text(config.dump());
  plan.type = settings.device.is_cuda() ? at::kBFloat16 : at::kFloat;
  if (settings.model.dtype) plan.type = params::scalar_type_of(*settings.model.dtype);
  if (settings.device.is_cuda() && plan.type != at::kBFloat16)
    fail(ExitCode::usage, std::string("model.dtype ") + c10::toString(plan.type) +
                              ": training on a GPU computes in bfloat16; set model.dtype to "
                              "bfloat16 or auto, or --devices cpu");
  plan.model_layout = params::plan_layout(plan.config, params::whole(plan.config));
  const std::int64_t longest = plan.config.max_position_embeddings;
  if (static_cast<std::int64_t>(settings.data.train.seq_len) > longest)
    log::common_warning("train.seq_len is " + std::to_string(settings.data.train.seq_len) +
                        ", but the model was made for " + std::to_string(longest) + " positions");
}

void plan_batch(const RunSettings& settings, RunPlan& plan) {
  optim::validate(settings.budget);
  plan.tokens_per_step = optim::tokens_per_step(settings.budget);
  const auto size = static_cast<std::uint64_t>(settings.batch.microbatch_rows);
  plan.microbatches = (settings.batch.global_rows + size - 1) / size;
}

/// Every group's lr follows the scaling of the optimizer's own.
void plan_optimizer(const RunSettings& settings, RunPlan& plan) {
  const double scaling = optim::scaled_lr(settings.budget, 1);
  plan.lr = scaling * optim::read_options(settings.optimizer.settings, "optimizer").lr;
  plan.assignments = optim::assign_groups(settings.optimizer.settings, settings.optimizer.groups,
                                          parameters_of(plan.model_layout, plan.type));
  for (optim::Assignment& assignment : plan.assignments.of_parameters)
    assignment.options.lr *= scaling;
  for (const std::string& group : plan.assignments.shadowed)
    log::common_warning("optimizer_groups: all parameters of '" + group +
                        "' belong to earlier groups");
}

std::int64_t microbatch_tokens(const RunSettings& settings) {
  return settings.batch.microbatch_rows * static_cast<std::int64_t>(settings.data.train.seq_len);
}

std::uint64_t available_bytes(const RunSettings& settings) {
  return settings.available_bytes.value_or(available_memory(settings.device));
}

/// True where any device of the job could train the whole model, as ddp would.
bool fits_one_device(const RunSettings& settings, const RunPlan& plan) {
  MemoryQuestion question{.config = plan.config,
                          .layout = plan.model_layout,
                          .type = plan.type,
                          .device = settings.device,
                          .policies = {},
                          .links = {.sums = 1},
                          .microbatch_tokens = microbatch_tokens(settings),
                          .microbatches = 2,
                          .kept = plan.type,
                          .optimizer = plan.assignments};
  const std::uint64_t bytes = settings.model.budget_bytes.value_or(
      settings.least_available_bytes.value_or(available_bytes(settings)));
  question.policies = choose_policies(question, settings.model.policy, bytes);
  return static_cast<std::uint64_t>(forecast_memory(question).total()) <= bytes;
}

void plan_ranks(const RunSettings& settings, RunPlan& plan) {
  const bool is_open = !settings.parallel.trainer && settings.world.ranks > 1;
  plan.arrangement = arrange(settings.parallel, settings.world, plan.config,
                             static_cast<std::int64_t>(settings.data.train.seq_len),
                             !is_open || fits_one_device(settings, plan));
  if (is_open && settings.batch.is_of_replica && plan.arrangement.trainer == TrainerKind::pipeline)
    fail(ExitCode::usage,
         "the model does not fit one device, so train.trainer auto takes a pipeline of " +
             std::to_string(settings.world.ranks) +
             " ranks; train.batch_size counts rows of a replica, of which there is then one: set "
             "train.global_batch_size, or train.trainer");
  plan.layout = params::plan_layout(plan.config, plan.parts());
}

/// A pipeline's tied weight and a replica's gradients meet in a buffer.
UpdateTime update_time_of(const RunPlan& plan, const optim::GradientNeeds& needs) {
  if (plan.arrangement.trainer == TrainerKind::basic)
    return optim::gradients_are_kept(needs) ? UpdateTime::at_end : UpdateTime::in_backward;
  optim::GradientNeeds of_one = needs;
  of_one.microbatches = 1;
  return optim::gradients_are_kept(of_one) ? UpdateTime::at_end : UpdateTime::on_call;
}

optim::GradientNeeds needs_of(const RunSettings& settings, const RunPlan& plan) {
  return {.microbatches = static_cast<std::int64_t>(plan.microbatches),
          .clip = settings.optimizer.clip,
          .nan = settings.optimizer.guard.nan,
          .spike = settings.optimizer.guard.spike};
}

/// What one rank will hold. `layout` and `own` are that rank's and must stay.
MemoryQuestion memory_question(const RunSettings& settings, const RunPlan& plan, int rank,
                               const params::Layout& layout, const optim::Assignments& own) {
  Arrangement ranks = plan.arrangement;
  ranks.rank = rank;
  const auto [first, last] = ranks.share_of(plan.microbatches);
  MemoryQuestion question{.config = plan.config,
                          .layout = layout,
                          .type = plan.type,
                          .device = settings.device,
                          .policies = {.kept = plan.config.layers},
                          .links = ranks.links_of(rank),
                          .microbatch_tokens = microbatch_tokens(settings),
                          .microbatches = static_cast<std::int64_t>(last - first),
                          .optimizer = own};
  if (ranks.trainer == TrainerKind::pipeline) {
    question.parts = ranks.parts_of(rank);
    question.held = ranks.held_by(rank, static_cast<int>(plan.microbatches));
  }
  return question;
}

/// That of the rank with the least room: ranks add up each other's gradients, so all need one type.
at::ScalarType kept_type(const RunSettings& settings, const RunPlan& plan,
                         const std::vector<MemoryQuestion>& of_rank, std::uint64_t least) {
  static const bool of_own = fault_planted("engine.gradient_type_of_each");
  for (int rank = 0; rank < plan.arrangement.ranks; ++rank) {
    if (of_own && rank != plan.arrangement.rank) continue;
    const MemoryQuestion& question = of_rank[static_cast<std::size_t>(rank)];
    const auto others = static_cast<std::uint64_t>(forecast_memory(question).total());
    const at::ScalarType type = optim::gradient_dtype(settings.optimizer.gradient_type,
                                                      parameters_of(question.layout, plan.type),
                                                      least - std::min(least, others));
    if (type != at::kFloat) return type;
  }
  return at::kFloat;
}

/// Of this rank; and what it comes to on the others, in the order of ranks.
void plan_gradients(const RunSettings& settings, RunPlan& plan) {
  const optim::GradientNeeds needs = needs_of(settings, plan);
  plan.update_time = update_time_of(plan, needs);
  optim::validate(settings.optimizer.clip);
  optim::validate(settings.optimizer.guard, plan.update_time == UpdateTime::at_end);
  const std::uint64_t available = available_bytes(settings);
  std::vector<params::Layout> layouts;
  std::vector<optim::Assignments> own;
  for (int rank = 0; rank < plan.arrangement.ranks; ++rank) {
    layouts.push_back(params::plan_layout(plan.config, plan.parts_of(rank)));
    own.push_back(plan.assignments_of(layouts.back()));
  }
  std::vector<MemoryQuestion> of_rank;
  for (std::size_t rank = 0; rank < layouts.size(); ++rank)
    of_rank.push_back(
        memory_question(settings, plan, static_cast<int>(rank), layouts[rank], own[rank]));
  if (plan.update_time != UpdateTime::in_backward)
    plan.kept =
        kept_type(settings, plan, of_rank, settings.least_available_bytes.value_or(available));
  for (MemoryQuestion& question : of_rank) {
    question.kept = plan.kept;
    question.policies = choose_policies(question, settings.model.policy,
                                        settings.model.budget_bytes.value_or(available));
    plan.policies_of_rank.push_back(question.policies);
    plan.memory_of_rank.push_back(forecast_memory(question));
  }
  const auto me = static_cast<std::size_t>(plan.arrangement.rank);
  plan.policies = of_rank[me].policies;
  plan.memory = plan.memory_of_rank[me];
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
  const bool is_in_parts = plan.arrangement.trainer == TrainerKind::pipeline;
  if (is_in_parts && !settings.prompts.empty())
    log::common_warning(
        "log.samples: no rank of a pipeline has the whole model, so no samples are made");
  if (is_in_parts || settings.prompts.empty()) trainer.sample_every = 0;
  trainer.saves_at_epoch_ends = settings.cadence.saves_at_epoch_ends;
  trainer.saves_at_end = settings.cadence.saves_at_end;
  trainer.profile = {
      .first_step = settings.profile_step,
      .file = settings.output / ("trace-" + std::to_string(settings.world.rank) + ".json")};
  if (settings.evaluation.most_batches)
    trainer.eval_rows = *settings.evaluation.most_batches *
                        static_cast<std::uint64_t>(settings.batch.microbatch_rows);
  trainer.patience = settings.evaluation.patience;
  trainer.min_delta = settings.evaluation.min_delta;
  trainer.keeps_best = settings.checkpoint.retention.keep_best > 0;
  trainer.guard = settings.optimizer.guard;
  if (settings.device.is_cuda())
    trainer.peak_flops = device_peak_flops(device::describe_gpu(settings.device.index()).name);
  if (trainer.peak_flops) *trainer.peak_flops *= plan.arrangement.ranks;
  trainer.batches_at_once =
      plan.arrangement.ranks == 1 ? 1 : 4 * static_cast<std::size_t>(plan.arrangement.ranks);
  optim::validate(settings.optimizer.schedule, plan.lr);
  plan.schedule = std::make_unique<optim::LrSchedule>(
      settings.optimizer.schedule, plan.lr, plan.tokens_per_step,
      std::max<std::uint64_t>(1, trainer.total_steps));
}

}  // namespace

std::int64_t RunPlan::parameters() const {
  std::int64_t elements = 0;
  for (const params::LogicalTensor& tensor : model_layout.logical) elements += tensor.elements();
  return elements;
}

std::vector<params::Part> RunPlan::parts_of(int rank) const {
  if (arrangement.trainer != TrainerKind::pipeline) return {params::whole(config)};
  return arrangement.parts_of(rank);
}

std::vector<bool> RunPlan::owned() const {
  std::vector<bool> own(layout.logical.size(), true);
  if (arrangement.rank == 1 && fault_planted("engine.tensor_saved_twice")) return own;
  if (arrangement.trainer == TrainerKind::pipeline) {
    const bool has_copy = arrangement.tied_ends_cross() && arrangement.rank != 0;
    for (std::size_t index = 0; index < own.size(); ++index)
      if (has_copy && layout.fused[layout.logical[index].fused].role == params::Role::embedding)
        own[index] = false;
    return own;
  }
  // Each tensor to the replica that has least so far.
  std::vector<std::int64_t> loads(static_cast<std::size_t>(arrangement.ranks), 0);
  for (std::size_t index = 0; index < own.size(); ++index) {
    const auto least = std::ranges::min_element(loads);
    *least += layout.logical[index].elements();
    own[index] = least - loads.begin() == arrangement.rank;
  }
  return own;
}

optim::Assignments RunPlan::assignments_of(const params::Layout& tensors) const {
  optim::Assignments own;
  for (const optim::Assignment& assignment : assignments.of_parameters)
    if (std::ranges::any_of(tensors.logical, [&](const params::LogicalTensor& tensor) {
          return tensor.name == assignment.parameter.name;
        }))
      own.of_parameters.push_back(assignment);
  return own;
}

RunPlan make_plan(const RunSettings& settings, MissingData missing) {
  RunPlan plan;
  plan_model(settings, plan);
  plan_batch(settings, plan);
  plan_optimizer(settings, plan);
  plan_ranks(settings, plan);
  plan_gradients(settings, plan);
  plan_data(settings, missing, plan);
  plan_steps(settings, plan);
  return plan;
}

}  // namespace fg::engine
