#include "options.hpp"

#include <algorithm>
#include <cmath>

#include <boost/program_options/value_semantic.hpp>

#include <fg/app/arguments.hpp>
#include <fg/base/error.hpp>
#include <fg/device/device.hpp>
#include <fg/infer/load.hpp>
#include <fg/ops/libraries.hpp>

#include "shape.hpp"

namespace fg::bench {
namespace {

using app::given;
using app::text;

void add_options(app::Program& program) {
  namespace po = boost::program_options;
  using app::word;
  const auto number = [] { return po::value<std::int64_t>(); };
  auto add = program.own.add_options();
  add("shape", word()->default_value("7b"),
      "7b (Llama-2-7B), 1b (Llama-3.2-1B), mistral-7b, or the path of a config.json");
  add("rows", number()->default_value(1), "rows of a step");
  add("length", number()->default_value(2048), "tokens of a row");
  add("documents", number()->default_value(1), "documents of a row, cut at random places");
  add("policy", word()->default_value("keep"), "keep, checkpoint, offload or auto");
  add("budget-gib", po::value<double>(), "memory that --policy auto may use (default: all)");
  add("optimizer", word()->default_value("adafactor"),
      "adafactor, adamw, adamw8bit, adamw4bit or sgd, inside the backward pass");
  add("vocab", word(),
      "odd, padded (to a multiple of 64) or a number (default: odd; for a config.json its own)");
  add("dtype", word()->default_value("auto"),
      "auto (bfloat16 on a GPU, float32 on the CPU), float32 or bfloat16");
  add("devices,d", word()->default_value("auto"),
      "auto (the first GPU, else the CPU), cpu, or a GPU's number");
  add("steps", number()->default_value(12), "timed steps");
  add("warmup", number()->default_value(3), "steps before them");
  add("seed", number()->default_value(42), "of weights, tokens and cuts");
  add("sweep",
      "the whole table of docs/benchmarks: --shape, --rows, --length and --policy in turn");
  add("no-light", "leave out the matrix products and attention alone");
  add("phases", "watch one more step kernel by kernel, and tell the time by kind of work");
  add("peak-tflops", po::value<double>(),
      "what MFU is a share of (default: the device's, from its makers' tables)");
  add("json", word(), "file to write the results to");
  add("profile", word(), "file for a Chrome trace of that step (implies --phases)");
}

class Reader {
public:
  explicit Reader(const app::Arguments& arguments) : arguments_(arguments) {}

  Options read() {
    Options options;
    options.json = text(arguments_, "json");
    options.measures_light = !given(arguments_, "no-light");
    const engine::BenchTask common = read_common();
    read_device(options, common.device);
    if (given(arguments_, "sweep")) {
      for (const char* name : {"shape", "rows", "length", "policy", "budget-gib", "profile"})
        if (given(arguments_, name) && !arguments_[name].defaulted())
          mistakes_.add("--" + std::string(name) + " does not go with --sweep, which has its own");
      if (!mistakes_.any())
        for (const SweepRow& row : sweep()) options.rows.push_back(row_of(row, common));
    } else {
      attempt([&] { options.rows.push_back(own_row(common)); });
    }
    mistakes_.throw_if_any();
    return options;
  }

private:
  /// A mistake of the command line is one of several; a file that cannot be read ends it at once.
  template <typename Parse>
  void attempt(const Parse& parse) {
    try {
      parse();
    } catch (const Error& error) {
      if (error.code() != ExitCode::usage) throw;
      mistakes_.add(error.what());
    }
  }

  std::int64_t number(const char* name, std::int64_t least, std::int64_t most) {
    const auto value = arguments_[name].as<std::int64_t>();
    if (value < least || value > most)
      mistakes_.add("--" + std::string(name) + " " + std::to_string(value) + ": expected " +
                    std::to_string(least) + " to " + std::to_string(most));
    return value;
  }

  std::optional<double> positive(const char* name) {
    if (!given(arguments_, name)) return std::nullopt;
    const auto value = arguments_[name].as<double>();
    if (!std::isfinite(value) || value <= 0 || value > 1e6)
      mistakes_.add("--" + std::string(name) + ": expected a number above 0");
    return value;
  }

  engine::BenchTask read_common() {
    engine::BenchTask task;
    const std::string devices = text(arguments_, "devices");
    const std::string dtype = text(arguments_, "dtype");
    if (devices.find(',') != std::string::npos)
      mistakes_.add("--devices " + devices + ": a bench has one device");
    else
      attempt([&] {
        const infer::Placement placement = infer::place(devices, dtype);
        task.device = placement.device;
        task.type = placement.type;
      });
    if (dtype == "float16") mistakes_.add("--dtype float16: training is in float32 or bfloat16");
    task.optimizer = {{"type", text(arguments_, "optimizer")}, {"lr", 1e-5}};
    attempt([&] { optim::read_options(task.optimizer, "--optimizer"); });
    task.profiles = given(arguments_, "phases");
    task.documents = number("documents", 1, 1 << 20);
    task.steps = number("steps", 1, 10000);
    task.warmup = number("warmup", 0, 10000);
    task.seed = static_cast<std::uint64_t>(number("seed", 0, std::int64_t{1} << 62));
    return task;
  }

  void read_device(Options& options, at::Device device) {
    if (device.is_cuda() && !mistakes_.any())
      options.device = device::describe_gpu(device.index()).name;
    else
      options.device = "CPU";
    options.peak_flops = engine::device_peak_flops(options.device);
    if (const auto teraflops = positive("peak-tflops")) options.peak_flops = *teraflops * 1e12;
  }

  void finish(Row& row) {
    row.task.policy = read_policy(row.policy);
    row.task.config = read_shape(row.shape);
    row.vocabulary = text(arguments_, "vocab");
    if (row.vocabulary.empty() && is_shape_name(row.shape)) row.vocabulary = "odd";
    row.task.config.vocab_size = read_vocabulary(row.vocabulary, row.task.config.vocab_size);
    if (row.vocabulary.empty()) row.vocabulary = std::to_string(row.task.config.vocab_size);
    row.task.config.max_position_embeddings =
        std::max(row.task.config.max_position_embeddings, row.task.length);
    row.name = name_of(row);
  }

  static Row row_like(const std::string& shape, const std::string& policy,
                      const engine::BenchTask& common) {
    Row row;
    row.shape = shape;
    row.policy = policy;
    row.task = common;
    return row;
  }

  Row row_of(const SweepRow& wanted, const engine::BenchTask& common) {
    Row row = row_like(wanted.shape, wanted.policy, common);
    row.task.rows = wanted.rows;
    row.task.length = wanted.length;
    if (wanted.budget_gib) row.task.budget_bytes = bytes_of(*wanted.budget_gib);
    finish(row);
    return row;
  }

  Row own_row(const engine::BenchTask& common) {
    Row row = row_like(text(arguments_, "shape"), text(arguments_, "policy"), common);
    row.task.rows = number("rows", 1, 1 << 16);
    row.task.length = number("length", 2, 1 << 22);
    if (row.task.documents > row.task.length)
      mistakes_.add("--documents is more than --length has tokens");
    if (const auto gib = positive("budget-gib")) {
      row.task.budget_bytes = bytes_of(*gib);
      if (row.policy != "auto") mistakes_.add("--budget-gib goes with --policy auto");
    }
    row.task.trace = text(arguments_, "profile");
    if (!row.task.trace.empty()) row.task.profiles = true;
    finish(row);
    return row;
  }

  static std::uint64_t bytes_of(double gib) { return static_cast<std::uint64_t>(gib * (1 << 30)); }

  const app::Arguments& arguments_;
  app::Mistakes mistakes_;
};

}  // namespace

app::Program describe() {
  app::Program program;
  program.name = "fg-bench";
  program.summary =
      "measures how fast this machine trains a model's shape: random weights and tokens, no files "
      "needed.\nBeside it stands \"light\": the same step's matrix products and attention alone.";
  program.usage = {"[--shape 7b] [--rows N] [--length N] [--policy keep] [options]",
                   "--sweep [--json FILE]"};
  program.examples = {"fg-bench --shape 7b --rows 4 --length 2048 --policy checkpoint",
                      "fg-bench --shape ~/model/config.json --devices cpu --length 128 --steps 3"};
  add_options(program);
  program.on_ranks = "it is refused";
  program.more_codes = {ExitCode::rank_lost};
  program.linked = {ops::tensor_library()};
  return program;
}

Options read_options(const app::Arguments& arguments) {
  return Reader(arguments).read();
}

}  // namespace fg::bench
