#include "command_line.hpp"

#include <array>
#include <cstdlib>

#include <fg/base/error.hpp>
#include <fg/comm/nccl.hpp>
#include <fg/ops/libraries.hpp>
#include <fg/store/libraries.hpp>
#include <fg/text/libraries.hpp>

namespace fg::train {
namespace {

using app::given;
using app::text;

/// An option of ours that sets one key.
struct KeyOption {
  const char* option;
  const char* key;
  const char* help;
};

constexpr std::array key_options{
    KeyOption{"max-steps", "train.max_steps", "stop after so many optimizer steps"},
    KeyOption{"batch-size", "train.batch_size", "rows of a step for each data-parallel replica"},
    KeyOption{"seq-len", "train.seq_len", "most tokens of a row"},
    KeyOption{"lr", "optimizer.lr", "the optimizer's learning rate"},
    KeyOption{"epochs", "train.epochs", "passes over the data"},
    KeyOption{"trainer", "train.trainer",
              "auto, basic, ddp or pipeline (fsdp: not in this version)"},
    KeyOption{"trainer-type", "train.trainer", "the same"},
    KeyOption{"pipeline-schedule", "parallel.schedule",
              "gpipe, 1f1b, interleaved_1f1b, zb_h1 or zbv (class names such as Schedule1F1B too)"},
    KeyOption{"save-strategy", "checkpoint.save_strategy",
              "no, steps or epoch; all but `no` also save the last step"},
    KeyOption{"resume-from-checkpoint", "checkpoint.resume", "latest, none or a checkpoint folder"},
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The configs folder of the source tree this program was built in, or beside its installation.
std::filesystem::path configs_folder() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  for (const char* way : {"../../configs", "../share/fg/configs"}) {
    const auto folder = (program.parent_path() / way).lexically_normal();
    if (std::filesystem::exists(folder / "quickstart.yaml", error)) return folder;
  }
  return {};
}

constexpr const char* how_to =
    "nothing to train: name a configuration and a model, for example\n"
    "  fg-train configs/samantha/llama3_1b/1gpu_default.yaml -M MODEL_DIR --dry-run\n"
    "or run scripts/quickstart.sh once; then fg-train alone trains its small model again.\n"
    "$FG_CONFIG, $FG_MODEL and $FG_OUTPUT stand for CONFIG, -M and --output-dir.";

/// The quick start's configuration, where its model lies.
void take_quick_start(CommandLine& line) {
  const auto configs = configs_folder();
  const auto model = configs.parent_path() / "quickstart" / "fg";
  if (configs.empty() || !std::filesystem::exists(model / "config.json"))
    fail(ExitCode::usage, how_to);
  line.configuration = configs / "quickstart.yaml";
  line.note = "no configuration and no model were named: training the quick start's " +
              model.string() + " by " + line.configuration.string();
}

Ask read_ask(const app::Arguments& arguments) {
  if (given(arguments, "dry-run")) return Ask::dry_run;
  if (given(arguments, "plan")) return Ask::plan;
  if (given(arguments, "debug-optimizer-groups")) return Ask::optimizer_groups;
  return Ask::train;
}

/// The option's value, or else the variable's.
void override_path(const app::Arguments& arguments, const char* option, const char* variable,
                   const char* key, CommandLine& line) {
  const std::string own = text(arguments, option);
  const std::string value = own.empty() ? environment(variable) : own;
  if (!value.empty())
    line.overrides.push_back(
        {.key = key,
         .value = value,
         .origin = own.empty() ? std::string("$") + variable : std::string("--") + option,
         .is_text = true});
}

}  // namespace

app::Program describe() {
  app::Program program;
  program.name = "fg-train";
  program.summary =
      "fully fine-tunes a model as a configuration says. The same command goes on from the run's\n"
      "latest checkpoint. docs/configuration.md has every key; --set sets any of them.";
  program.usage = {"[CONFIG] [-M MODEL_DIR] [--output-dir DIR] [options]"};
  program.examples = {
      "fg-train configs/samantha/llama3_1b/1gpu_default.yaml -M llama3 --output-dir run --dry-run",
      "mpirun -np 2 fg-train configs/samantha/llama2_7b/2gpu_pp.yaml -M llama2 --output-dir run",
      "fg-train config.yaml -M my-model --save-strategy no --max-steps 10"};
  auto add = program.own.add_options();
  using app::word;
  add("model,M", word(), "model folder (model.path; default $FG_MODEL)");
  add("output-dir", word(), "run folder (train.output_dir; default $FG_OUTPUT, then the model's)");
  add("set", app::words(), "KEY=VALUE, any key of the configuration; may be repeated");
  for (const KeyOption& option : key_options) add(option.option, word(), option.help);
  add("save-on-each-node", "write checkpoints to a folder of each node's own");
  add("devices,d", word(),
      "auto (GPUs where there are any), cpu, or the GPUs to use, for example 0,1,3");
  add("deterministic", "bit-equal results on a GPU too");
  add("dry-run", "resolve everything, forecast memory and time, print the launch lines, and stop");
  add("plan",
      "print the run's header, of a pipeline also the order of work and the bytes on the wire, and "
      "stop");
  add("debug-optimizer-groups",
      "print each parameter's group, optimizer, state and bytes, and stop");
  program.take_argument("configuration");
  program.more_codes = {ExitCode::numerics, ExitCode::hang, ExitCode::rank_lost, ExitCode::requeue};
  const std::string nccl = comm::nccl_version();
  program.linked = {ops::tensor_library(), nccl.empty() ? "" : "NCCL " + nccl,
                    store::hdf5_library(), text::regex_library(), text::unicode_library()};
  return program;
}

CommandLine read_command_line(const app::Arguments& arguments) {
  CommandLine line;
  line.ask = read_ask(arguments);
  const std::string own = text(arguments, "configuration");
  line.configuration = own.empty() ? environment("FG_CONFIG") : own;
  override_path(arguments, "model", "FG_MODEL", "model.path", line);
  override_path(arguments, "output-dir", "FG_OUTPUT", "train.output_dir", line);
  if (line.configuration.empty() && line.overrides.empty()) take_quick_start(line);
  for (const KeyOption& option : key_options)
    if (given(arguments, option.option))
      line.overrides.push_back(
          {option.key, text(arguments, option.option), std::string("--") + option.option});
  if (given(arguments, "save-on-each-node"))
    line.overrides.push_back({"checkpoint.each_node", "true", "--save-on-each-node"});
  if (given(arguments, "deterministic"))
    line.overrides.push_back({"train.deterministic", "true", "--deterministic"});
  if (given(arguments, "devices")) line.devices = text(arguments, "devices");
  for (const std::string& setting : app::texts(arguments, "set"))
    line.overrides.push_back(config::parse_set(setting));
  return line;
}

}  // namespace fg::train
