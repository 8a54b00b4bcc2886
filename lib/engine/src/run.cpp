#include <atomic>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/units.hpp>
#include <fg/checkpoint/reader.hpp>
#include <fg/checkpoint/run_folder.hpp>
#include <fg/device/device.hpp>
#include <fg/device/errors.hpp>
#include <fg/device/memory.hpp>
#include <fg/engine/checkpoint_io.hpp>
#include <fg/engine/process_memory.hpp>
#include <fg/engine/run.hpp>
#include <fg/log/log.hpp>
#include <fg/params/bit_sum.hpp>
#include <fg/params/initialise.hpp>
#include <fg/params/weights.hpp>
#include <fg/session/agreement.hpp>
#include <fg/session/pulse.hpp>
#include <fg/session/signals.hpp>
#include <fg/session/watchdog.hpp>
#include <fg/store/model_weights.hpp>

#include "identity.hpp"
#include "pipeline.hpp"
#include "section.hpp"
#include "whole_model.hpp"

namespace fg::engine {
namespace {

optim::OptimizerSet make_optimizers(const RunPlan& plan, at::Device device) {
  std::vector<optim::OptimizerSet::Held> held;
  for (const params::LogicalTensor& tensor : plan.layout.logical)
    held.push_back({tensor.name, {0, tensor.shape.empty() ? 1 : tensor.shape[0]}});
  return optim::OptimizerSet(plan.assignments, held, device);
}

std::filesystem::path hang_report(const RunSettings& settings) {
  return settings.output / ("hang-" + std::to_string(settings.world.rank) + ".json");
}

/// What a load or a save of so many bytes may take without progress, on slow disks.
double patience_for(const RunSettings& settings, const RunPlan& plan) {
  constexpr double slowest_bytes_per_second = 20e6;
  double bytes = 0;  // one disk may serve all ranks
  for (const MemoryForecast& each : plan.memory_of_rank)
    bytes += static_cast<double>(each.weights + each.optimizer);
  return settings.comm.timeout_s + bytes / slowest_bytes_per_second;
}

Updater::Options updater_options(const RunPlan& plan, comm::Communicator* ranks) {
  Updater::Options options{.kept = plan.kept, .time = plan.update_time, .share = {}};
  for (const params::LogicalTensor& tensor : plan.model_layout.logical)
    options.share.names.push_back(tensor.name);
  options.share.is_counted = plan.owned();
  options.share.ranks = ranks;
  return options;
}

/// One run's objects, for as long as it lives.
class Run {
public:
  Run(session::Session& session, const RunSettings& settings, RunPlan& plan)
      : session_(session),
        settings_(settings),
        plan_(plan),
        ranks_(connect()),
        watchdog_(session, watching()),
        model_(plan.config, plan.type, settings.device, plan.parts()),
        optimizers_(make_optimizers(plan, settings.device)),
        clipper_(settings.optimizer.clip),
        updater_(model_.parameters(), optimizers_, clipper_, updater_options(plan, ranks_.get())) {
    model_.set_policies(plan.policies);
    if (plan.arrangement.trainer == TrainerKind::pipeline)
      runner_ = std::make_unique<Pipeline>(model_, updater_, plan.arrangement, *ranks_);
    else
      runner_ = std::make_unique<WholeModel>(model_, updater_, plan.arrangement, ranks_.get());
    take_folder();
  }

  RunEnd train();

private:
  /// All ranks of the job, or nothing where there is one.
  std::unique_ptr<comm::Communicator> connect();
  session::WatchdogOptions watching();
  /// What each rank has under way, for the one who looks for the reason of a hang. Any thread.
  void report_hang() const noexcept;
  RunEnd run_steps();
  /// Collective.
  void take_folder();
  TrainerState begin();
  TrainerState restore(const checkpoint::Choice& choice);
  void load_model();
  void write_run_files();
  void save(const TrainerState& state, std::optional<double> eval_loss);
  /// Collective.
  void clear_old(std::uint64_t saved_step);
  std::optional<TrainerState> roll_back();
  /// Collective.
  void sample(std::uint64_t step, Journal& journal);
  void write_samples(std::uint64_t step, Journal& journal);
  /// Compares the forecast with what the kernel saw.
  void report_memory() const;
  Requests requests();
  std::vector<double> gather(double mine);
  /// Collective.
  void require_same(std::vector<session::Fact> facts);
  /// Collective. Error(ranks_disagree) where the ranks have all of the model and not the same one.
  void compare_replicas();

  session::Session& session_;
  const RunSettings& settings_;
  RunPlan& plan_;
  std::uint64_t memory_before_ = process_memory().peak_resident;  // the model
  std::unique_ptr<comm::Communicator> ranks_;
  session::Watchdog watchdog_;
  std::optional<checkpoint::RunFolder> folder_;  // on the rank that leads it
  std::string run_name_;
  model::Model model_;
  optim::OptimizerSet optimizers_;
  optim::Clipper clipper_;
  Updater updater_;
  std::unique_ptr<StepRunner> runner_;
  std::uint64_t steps_begun_ = 0;  // by this process
  mutable std::atomic<bool> is_reported_ = false;
};

std::unique_ptr<comm::Communicator> Run::connect() {
  if (session_.size() == 1) return nullptr;
  comm::Options options;
  options.timeout_s = settings_.comm.timeout_s;
  options.simulate_bytes_per_second = settings_.comm.simulated_bytes_per_second;
  // Losses and norms: a pipeline's tensors go by groups of their own.
  const bool is_pipeline = plan_.arrangement.trainer == TrainerKind::pipeline;
  options.traffic = is_pipeline ? comm::Traffic::numbers : comm::Traffic::background_sums;
  options.on_stall = [this](const std::string& sentence) {
    log::error(sentence);
    report_hang();
    session_.abort(ExitCode::hang);
  };
  return comm::Communicator::connect(session_, std::move(options), settings_.device);
}

session::WatchdogOptions Run::watching() {
  return {.timeout_s = settings_.comm.timeout_s, .on_hang = [this](const session::Verdict&) {
            report_hang();
            comm::Communicator::abort_all();
          }};
}

void Run::report_hang() const noexcept {
  if (is_reported_.exchange(true)) return;  // the first one has what was under way
  try {
    if (ranks_) ranks_->write_history(hang_report(settings_));
  } catch (const std::exception& error) {
    log::error(error.what());
  }
}

void Run::take_folder() {
  const bool leads = checkpoint::leads_folder(session_, settings_.checkpoint.each_node);
  session_.together([&] {
    if (leads) folder_.emplace(settings_.output);
  });
  if (folder_)
    for (const std::string& note : folder_->notes()) log::warning(note);
  run_name_ = session_.broadcast(folder_ ? folder_->run_name() : "");
  if (session_.size() > 1 && !settings_.checkpoint.each_node)
    checkpoint::require_shared(session_, folder_ ? &*folder_ : nullptr, settings_.output);
}

void Run::load_model() {
  if (settings_.model.weights.empty()) {
    params::initialise(model_.parameters(), settings_.seed, plan_.config.initializer_range);
    log::info("the weights are random (seed " + std::to_string(settings_.seed) + ")");
    return;
  }
  store::ModelWeights weights(settings_.model.weights);
  for (const std::string& note : weights.notes()) log::info(note);
  params::load(weights, plan_.config, settings_.model.weights.string(), model_.parameters());
  const std::string warm = read_warm_start(settings_.model.weights, optimizers_);
  if (!warm.empty()) log::info(warm);
}

TrainerState Run::restore(const checkpoint::Choice& choice) {
  checkpoint::Reader reader = checkpoint::open(session_, choice);
  session_.together([&] { check_identity(settings_, plan_, reader.trainer(), choice.folder); });
  if (settings_.checkpoint.each_node && session_.size() > 1) {
    comm::Options options;
    options.timeout_s = session_.timeout();
    const auto hosts = comm::Communicator::connect(session_, std::move(options));
    read_from_nodes(session_, *hosts, reader, model_.parameters(), optimizers_);
  } else {
    session_.together([&] {
      read_weights(reader, model_.parameters());
      read_optimizer(reader, optimizers_);
    });
  }
  compare_replicas();
  log::info("resumed from " + choice.folder.string());
  return parse_trainer_state(reader.trainer().object("state"));
}

TrainerState Run::begin() {
  const Section section(session_, ranks_.get(), "load", patience_for(settings_, plan_));
  fail_point("train.load");
  const auto choice = checkpoint::choose(session_, settings_.output, settings_.checkpoint.resume,
                                         settings_.checkpoint.each_node);
  if (choice) return restore(*choice);
  session_.together([&] { load_model(); });
  compare_replicas();
  return {};
}

void Run::write_run_files() {
  session_.together([&] {
    if (!folder_) return;
    folder_->copy_model_files(settings_.model.config, settings_.model.tokenizer);
    checkpoint::replace_text(folder_->root() / "config.yaml", settings_.config_yaml);
  });
}

void Run::save(const TrainerState& state, std::optional<double> eval_loss) {
  const Section section(session_, ranks_.get(), "save", patience_for(settings_, plan_));
  if (ranks_) ranks_->poll();  // throws where a GPU has computed on without its peers
  compare_replicas();
  checkpoint::SaveRequest request;
  request.folder = checkpoint::checkpoints_in(settings_.output);
  request.step = state.step;
  request.run = run_name_;
  request.weights = weight_slices(model_.parameters(), plan_.owned());
  request.optimizer = optimizer_slices(optimizers_, plan_.owned());
  request.trainer = {{"state", to_json(state)}, {"identity", identity_of(settings_, plan_)}};
  request.copies = checkpoint::model_files(settings_.output);
  request.format = settings_.checkpoint.format;
  request.metric = eval_loss;
  request.each_node = settings_.checkpoint.each_node;
  const std::filesystem::path made = checkpoint::save(session_, request);
  session_.together([&] {
    if (folder_) folder_->link_latest(made);
  });
  clear_old(state.step);
  log::info("saved " + made.string());
}

void Run::clear_old(std::uint64_t saved_step) {
  const std::filesystem::path folder = checkpoint::checkpoints_in(settings_.output);
  const checkpoint::Retention& rules = settings_.checkpoint.retention;
  checkpoint::RetentionResult cleared;
  if (settings_.checkpoint.each_node)
    cleared = checkpoint::retain_on_each_node(session_, folder, saved_step, rules);
  else if (folder_)
    cleared = checkpoint::retain(folder, saved_step, rules);
  for (const std::string& note : cleared.notes) log::warning(note);
}

std::optional<TrainerState> Run::roll_back() {
  const Section section(session_, ranks_.get(), "load", patience_for(settings_, plan_));
  const auto choice =
      checkpoint::choose(session_, settings_.output, {}, settings_.checkpoint.each_node);
  if (!choice) return std::nullopt;
  return restore(*choice);
}

void Run::sample(std::uint64_t step, Journal& journal) {
  constexpr double seconds_of_a_sample = 120;
  const Section section(session_, ranks_.get(), "samples",
                        settings_.comm.timeout_s +
                            seconds_of_a_sample * static_cast<double>(settings_.prompts.size()));
  session_.together([&] {
    if (session_.is_first()) write_samples(step, journal);
  });
}

void Run::write_samples(std::uint64_t step, Journal& journal) {
  for (std::size_t number = 0; number < settings_.prompts.size(); ++number) {
    const std::string& prompt = settings_.prompts[number];
    try {
      journal.sample(step, number, prompt + "\n" + settings_.generate(model_, prompt));
    } catch (const Error& error) {
      // A prompt that does not fit is no reason to end a run.
      log::warning("sample " + std::to_string(number) + ": " + error.what());
    }
  }
}

Requests Run::requests() {
  constexpr std::uint64_t save = 1, requeue = 2, interrupted = 4, terminated = 8;
  const auto stop = session::stop_requested();
  std::uint64_t mine = 0;
  if (session::take_save_request()) mine |= save;
  if (session::requeue_requested()) mine |= requeue;
  if (stop == ExitCode::interrupted) mine |= interrupted;
  if (stop == ExitCode::terminated) mine |= terminated;
  const std::uint64_t all = session_.united(mine);
  session::beat(steps_begun_++);
  Requests requests;
  requests.save = (all & save) != 0;
  requests.requeue = (all & requeue) != 0;
  if ((all & interrupted) != 0) requests.stop = ExitCode::interrupted;
  if ((all & terminated) != 0) requests.stop = ExitCode::terminated;
  return requests;
}

std::vector<double> Run::gather(double mine) {
  std::vector<double> all;
  for (const std::string& each : session_.gather(Json(mine).dump()))
    all.push_back(Json::parse(each).get<double>());
  return all;
}

void Run::require_same(std::vector<session::Fact> facts) {
  if (session_.size() == 1) return;
  if (fault_planted("engine.counts_differ")) facts.back().value += "0";
  session::require_same(session_, facts);
}

void Run::compare_replicas() {
  if (plan_.arrangement.trainer != TrainerKind::ddp || session_.size() == 1) return;
  if (fault_planted("engine.replica_drifts"))
    model_.parameters().fused(0).view(-1).narrow(0, 0, 1).add_(1);
  session::require_same(session_, {{"the weights", params::bit_sum(model_.parameters())}});
}

void Run::report_memory() const {
  const bool is_gpu = settings_.device.is_cuda();
  const std::uint64_t peak = is_gpu ? device::memory_of(settings_.device).peak_allocated
                                    : process_memory().peak_resident - memory_before_;
  log::info("peak memory " + std::to_string(peak) + " bytes, forecast " +
            std::to_string(plan_.memory.in_tensors()) +
            (is_gpu ? " (in tensors on the GPU)"
                    : " (beyond " + format_bytes(memory_before_) + " before the model was made)"));
}

RunEnd Run::train() {
  try {
    return run_steps();
  } catch (const std::exception& exception) {
    const auto* const error = dynamic_cast<const Error*>(&exception);
    if (error != nullptr && error->code() == ExitCode::hang) report_hang();
    // Nothing on a GPU may wait for ranks that will not come.
    comm::Communicator::abort_all();
    throw;
  }
}

RunEnd Run::run_steps() {
  fail_point("train.begin");
  TrainerState state = begin();
  fail_point("train.loaded");
  write_run_files();
  const std::uint64_t first = state.step;
  if (first >= plan_.trainer.total_steps) {
    log::info("nothing is left to do: the run has its " + std::to_string(first) + " steps");
    return RunEnd::finished;
  }
  Journal journal({.folder = session_.is_first() ? settings_.output : "",
                   .tensorboard = settings_.tensorboard,
                   .resumed_at = first > 0 ? std::optional(first) : std::nullopt,
                   .total_steps = plan_.trainer.total_steps});
  const TrainerHooks hooks{
      .save = [&](const TrainerState& at, std::optional<double> loss) { save(at, loss); },
      .roll_back = [&] { return roll_back(); },
      .sample = [&](std::uint64_t step) { sample(step, journal); },
      .requests = [&] { return requests(); },
      .gather = [&](double mine) { return gather(mine); },
      .require_same = [&](const std::vector<session::Fact>& facts) { require_same(facts); }};
  Trainer trainer({.config = plan_.config,
                   .device = settings_.device,
                   .runner = *runner_,
                   .updater = updater_,
                   .clipper = clipper_,
                   .schedule = *plan_.schedule,
                   .epochs = *plan_.train,
                   .plan = *plan_.steps,
                   .evaluation = plan_.evaluation.get(),
                   .journal = journal,
                   .hosts = session_.hosts(),
                   .hooks = hooks},
                  plan_.trainer, std::move(state));
  const RunEnd end = trainer.run();
  report_memory();
  return end;
}

}  // namespace

RunEnd run(session::Session& session, const RunSettings& settings, RunPlan& plan) {
  FG_CHECK(plan.train != nullptr && plan.steps != nullptr);
  device::use(settings.device);
  device::set_deterministic(settings.deterministic);
  const std::uint64_t available =
      settings.available_bytes.value_or(available_memory(settings.device));
  if (static_cast<std::uint64_t>(plan.memory.total()) > available)
    log::warning("the run is forecast to need " +
                 format_bytes(static_cast<std::uint64_t>(plan.memory.total())) + ", and " +
                 format_bytes(available) + " are free");
  return device::translating_errors(device::advice_for_training,
                                    [&] { return Run(session, settings, plan).train(); });
}

}  // namespace fg::engine
