#include <cmath>
#include <cstdio>
#include <string>

#include <fg/configured/learning_rate.hpp>
#include <fg/device/device.hpp>
#include <fg/engine/run.hpp>
#include <fg/log/console.hpp>
#include <fg/log/log.hpp>
#include <fg/optim/groups.hpp>
#include <fg/session/pulse.hpp>
#include <fg/session/signals.hpp>
#include <fg/session/watchdog.hpp>

#include "command_line.hpp"
#include "ranks.hpp"
#include "settings.hpp"

namespace {

using namespace fg;

void print(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) std::fputs((line + "\n").c_str(), stdout);
}

/// A word as a shell takes it for one.
std::string quoted(const std::string& word) {
  constexpr const char* harmless =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(harmless) == std::string::npos) return word;
  std::string text = "'";
  for (const char each : word) text += each == '\'' ? std::string("'\\''") : std::string(1, each);
  return text + "'";
}

/// Paths go by their options, since --set would read them as YAML.
std::string option_of(const config::Override& override) {
  if (!override.is_text) return " --set " + quoted(override.key + "=" + override.value);
  return (override.key == "model.path" ? " -M " : " --output-dir ") + quoted(override.value);
}

/// The lines that start this run on as many ranks as it needs.
void print_launch_lines(const train::CommandLine& line, std::int64_t ranks) {
  std::string command = "fg-train " + quoted(line.configuration.string());
  for (const config::Override& each : line.overrides) command += option_of(each);
  if (line.devices != "auto") command += " --devices " + quoted(line.devices);
  const std::string count = std::to_string(ranks);
  print({"start it with", ranks == 1 ? "  " + command : "  mpirun -np " + count + " " + command,
         "  srun --mpi=pmix --ntasks=" + count + " " + command});
}

/// By the speed of the device that this process has: of several ranks, and of another machine's
/// devices, nothing is known.
void print_estimate(const engine::RunSettings& settings, const engine::RunPlan& plan,
                    std::int64_t ranks) {
  const double seconds = engine::estimate_seconds(settings, plan);
  if (!std::isfinite(seconds)) return print({"the time is not known without the data"});
  const std::string device = settings.device.is_cpu() ? "this CPU" : "this GPU";
  print({"about " + log::format_duration(seconds) + " of training at the speed of " + device +
         (ranks == 1 ? ""
                     : "; " + std::to_string(ranks) + " ranks with one each take 1/" +
                           std::to_string(ranks) + " of that at best")});
}

/// What --plan, --dry-run and --debug-optimizer-groups print.
void answer(const train::CommandLine& line, const engine::RunSettings& settings,
            const engine::RunPlan& plan, std::int64_t ranks) {
  switch (line.ask) {
    case train::Ask::train:
      return;
    case train::Ask::optimizer_groups:
      std::fputs(optim::groups_table(plan.assignments).c_str(), stdout);
      return;
    case train::Ask::plan:
      print(log::format_block("plan", engine::describe(settings, plan)));
      print(engine::describe_schedule(settings, plan));
      return;
    case train::Ask::dry_run:
      print(log::format_block("dry run", engine::describe(settings, plan)));
      print_estimate(settings, plan, ranks);
      print_launch_lines(line, ranks);
      return;
  }
}

/// The run's own log, unless --log-file named another.
void open_run_log(const app::Arguments& arguments, const session::Session& session,
                  const engine::RunSettings& settings) {
  if (app::given(arguments, "log-file")) return;
  std::filesystem::create_directories(settings.output);
  log::start({.level = *log::parse_level(app::text(arguments, "log-level")),
              .file = session.is_first() ? settings.output / "train.log" : "",
              .rank = session.rank(),
              .ranks = session.size()});
}

ExitCode code_of(engine::RunEnd end) {
  switch (end) {
    case engine::RunEnd::finished:
    case engine::RunEnd::stopped_early:
      break;
    case engine::RunEnd::requeue:
      log::info("saved on SIGUSR1; the same command goes on from here");
      return ExitCode::requeue;
    case engine::RunEnd::interrupted:
      log::info("saved on SIGINT; the same command goes on from here");
      return ExitCode::interrupted;
    case engine::RunEnd::terminated:
      log::info("ended by SIGTERM; the last checkpoint stands");
      return ExitCode::terminated;
  }
  return ExitCode::done;
}

void require_ranks(int given, std::int64_t wanted) {
  if (wanted > 1 && wanted != given)
    fail(ExitCode::usage, "the configuration asks for " + std::to_string(wanted) +
                              " ranks (parallel.pipeline × parallel.data), but " +
                              std::to_string(given) + " were started");
}

/// Training refuses what this version cannot do; what only prints says so and goes on.
void require_features(const config::Configuration& configuration, train::Ask ask) {
  for (const std::string& feature : train::missing_features(configuration)) {
    const std::string text = feature + " is not there in this version";
    if (ask == train::Ask::train) fail(ExitCode::usage, text);
    log::common_warning(text + ": shown as without it");
  }
}

engine::RunPlan make_plan(session::Session& session, const engine::RunSettings& settings,
                          train::Ask ask) {
  // To tokenise may take long on one rank, while the others wait for its cache.
  const session::Patience patience(session, app::without_end);
  const session::Watchdog watchdog(session, {.timeout_s = settings.comm.timeout_s, .on_hang = {}});
  session::enter_section("data", 0);
  engine::RunPlan plan;
  session.together([&] {
    plan = engine::make_plan(settings, ask == train::Ask::train ? engine::MissingData::refuse
                                                                : engine::MissingData::go_on);
  });
  return plan;
}

ExitCode body(session::Session& session, const app::Arguments& arguments) {
  train::CommandLine line;
  config::Loaded loaded;
  engine::RunSettings settings;
  std::int64_t ranks = session.size();
  train::Place place = train::find_place(session);
  session.together([&] {
    line = train::read_command_line(arguments);
    if (!line.note.empty()) log::info(line.note);
    loaded = config::load(line.configuration, line.overrides);
    require_features(loaded.configuration, line.ask);
    const std::int64_t wanted = configured::wanted_ranks(loaded.configuration);
    if (line.ask == train::Ask::train)
      require_ranks(session.size(), wanted);
    else
      ranks = std::max(wanted, ranks);
    settings = train::settings_of(loaded, ranks);
    settings.world = train::world_of(session, place, static_cast<int>(ranks));
    settings.world.has_simulated_wire = settings.comm.simulated_bytes_per_second > 0;
    // One rank of a machine tokenises while the others wait for it.
    settings.data.train.threads =
        static_cast<unsigned>(place.threads.count * place.placement.local_ranks);
    if (settings.data.evaluation) settings.data.evaluation->threads = settings.data.train.threads;
    settings.device = device::choose_device(line.devices, place.device_turn);
    device::use(settings.device);  // or CUDA would make itself at home on the first GPU
    if (line.ask == train::Ask::train) open_run_log(arguments, session, settings);
  });
  train::meet(session, loaded.configuration.comm.interface, place, settings);
  engine::RunPlan plan = make_plan(session, settings, line.ask);
  train::require_same_plan(session, settings, plan);
  if (line.ask != train::Ask::train) {
    if (session.is_first()) answer(line, settings, plan, ranks);
    return ExitCode::done;
  }
  train::show_ranks(session, place, settings);
  if (const std::string note = plan.arrangement.node_order_note(); !note.empty())
    log::common_warning(note);
  if (session.is_first()) log::say(log::format_block("run", engine::describe(settings, plan)));
  return code_of(engine::run(session, settings, plan));
}

}  // namespace

int main(int argc, char** argv) {
  // A job may wait long in MPI's start for a late machine, and its time be up then.
  session::watch_save_signals();
  return app::run_for_code(argc, argv, train::describe(), body);
}
