// optim_tool update JOB.json | optim_tool schedule JOB.json: lib/optim for tests in Python. Numbers
// go through files of raw float32 in the job's folder.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <fg/base/error.hpp>
#include <fg/base/json.hpp>
#include <fg/optim/lr_schedule.hpp>
#include <fg/optim/optimizer_set.hpp>

namespace {

using namespace fg;         // NOLINT: a program of one file
using namespace fg::optim;  // NOLINT

at::Tensor read_floats(const std::string& path, const std::vector<std::int64_t>& shape,
                       std::int64_t skip) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  std::ifstream file(path, std::ios::binary);
  file.seekg(skip * tensor.numel() * 4);
  file.read(static_cast<char*>(tensor.data_ptr()), tensor.numel() * 4);
  if (!file) fail(ExitCode::cannot_load, path + ": too short");
  return tensor;
}

void write_bytes(std::ostream& out, const at::Tensor& tensor) {
  const at::Tensor whole = tensor.contiguous();
  out.write(static_cast<const char*>(whole.data_ptr()),
            static_cast<std::streamsize>(whole.nbytes()));
}

Settings settings_of(const Json& json) {
  Settings settings;
  for (const auto& [name, value] : json.items()) {
    OptionValue option = std::string();
    if (value.is_boolean()) option = value.get<bool>();
    if (value.is_number_integer()) option = value.get<std::int64_t>();
    if (value.is_number_float()) option = value.get<double>();
    if (value.is_string()) option = value.get<std::string>();
    settings.push_back({name, option});
  }
  return settings;
}

at::ScalarType type_of(const Json& job, const char* key) {
  return job.value(key, "float32") == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

void run_updates(const Json& job) {
  const std::string folder = job.at("folder");
  const auto shape = job.at("shape").get<std::vector<std::int64_t>>();
  const Parameter parameter{"weight", shape, type_of(job, "dtype")};
  const Assignments model = assign_groups(settings_of(job.at("settings")), {}, {&parameter, 1});
  const std::vector<OptimizerSet::Held> held = {{"weight", all_rows(parameter)}};
  OptimizerSet set(model, held);
  at::Tensor weights = read_floats(folder + "/weights.f32", shape, 0).to(parameter.dtype);
  std::ofstream out(folder + "/out.f32", std::ios::binary);
  NumericsFlag flag;
  const at::Tensor sum = at::empty({1}, at::kFloat);
  for (std::int64_t step = 0; step < job.at("steps").get<std::int64_t>(); ++step) {
    const at::Tensor gradient = read_floats(folder + "/gradients.f32", shape, step);
    set.check_and_update("weight", weights, gradient.to(type_of(job, "gradient_dtype")),
                         {static_cast<std::uint64_t>(step), job.value("seed", std::uint64_t{1}), 1,
                          job.value("gradient_factor", 1.0)},
                         flag, sum);
    write_bytes(out, weights.to(at::kFloat));
  }
  for (const State::Entry& entry : set.at("weight").state.entries()) {
    std::ofstream file(folder + "/" + entry.spec.name + ".state", std::ios::binary);
    write_bytes(file, entry.tensor);
  }
}

Duration duration_of(const Json& json) {
  if (json.is_number()) return {json.get<std::uint64_t>(), Duration::Unit::steps};
  return {json.at("tokens").get<std::uint64_t>(), Duration::Unit::tokens};
}

ScheduleOptions schedule_of(const Json& json) {
  ScheduleOptions options;
  const std::string type = json.at("type");
  if (type == "linear") options.type = ScheduleType::linear;
  if (type == "cosine") options.type = ScheduleType::cosine;
  if (type == "wsd") options.type = ScheduleType::wsd;
  if (type == "infinite") options.type = ScheduleType::infinite;
  if (json.contains("warmup")) options.warmup = duration_of(json["warmup"]);
  if (json.contains("min_lr")) options.min_lr = json["min_lr"].get<double>();
  if (json.contains("min_lr_ratio")) options.min_lr_ratio = json["min_lr_ratio"].get<double>();
  return options;
}

void print_schedule(const Json& job) {
  const LrSchedule schedule(schedule_of(job.at("schedule")), job.at("lr").get<double>(),
                            job.value("tokens_per_step", std::uint64_t{1}),
                            job.at("run_steps").get<std::uint64_t>());
  Json rates = Json::array();
  for (std::uint64_t step = 0; step < job.at("steps").get<std::uint64_t>(); ++step)
    rates.push_back(schedule.lr(step));
  std::cout << rates.dump() << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 3) fail(ExitCode::usage, "optim_tool update|schedule JOB.json");
    const Json job = read_json(argv[2]);
    if (std::string(argv[1]) == "update") {
      run_updates(job);
    } else {
      print_schedule(job);
    }
    return 0;
  } catch (const fg::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
}
