#include "fg/infer/load.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include <fg/arch/generation_config.hpp>
#include <fg/arch/model_config.hpp>
#include <fg/base/error.hpp>
#include <fg/base/json.hpp>
#include <fg/base/units.hpp>
#include <fg/device/device.hpp>
#include <fg/device/errors.hpp>
#include <fg/params/weights.hpp>
#include <fg/store/model_weights.hpp>

namespace fg::infer {
namespace {

namespace fs = std::filesystem;

constexpr const char* config_file = "config.json";
constexpr const char* generation_file = "generation_config.json";

void require_folder(const fs::path& folder) {
  std::error_code ignored;
  if (fs::is_directory(folder, ignored)) return;
  const bool exists = fs::exists(folder, ignored);
  fail(ExitCode::cannot_load, folder.string() + (exists ? ": is no folder" : ": does not exist") +
                                  "; expected a model folder or a checkpoint");
}

void add_once(std::vector<std::int32_t>& list, std::int64_t id) {
  const auto small = static_cast<std::int32_t>(id);
  if (std::find(list.begin(), list.end(), small) == list.end()) list.push_back(small);
}

SamplingOptions sampling_of(const arch::SamplingDefaults& defaults) {
  constexpr double unsaid = 0.7;
  SamplingOptions options;
  options.temperature = defaults.temperature.value_or(defaults.do_sample == true ? 1.0 : unsaid);
  if (defaults.do_sample == false) options.temperature = 0.0;
  options.top_k = defaults.top_k.value_or(options.top_k);
  options.top_p = defaults.top_p.value_or(options.top_p);
  options.min_p = defaults.min_p.value_or(options.min_p);
  options.repetition_penalty = defaults.repetition_penalty.value_or(options.repetition_penalty);
  return options;
}

}  // namespace

Placement place(std::string_view devices, std::string_view dtype, int device_turn) {
  constexpr std::array<std::pair<std::string_view, at::ScalarType>, 3> types = {
      {{"float32", at::kFloat}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf}}};
  std::optional<at::ScalarType> wanted;
  for (const auto& [name, type] : types)
    if (dtype == name) wanted = type;
  if (!wanted && dtype != "auto")
    fail(ExitCode::usage, "--dtype " + std::string(dtype) +
                              ": expected auto (bfloat16 on a GPU, float32 on the CPU), float32, "
                              "bfloat16 or float16");
  const bool fits_gpu = !wanted || wanted == at::kBFloat16;
  const at::Device device = devices == "auto" && !fits_gpu
                                ? at::Device(at::kCPU)
                                : device::choose_device(devices, device_turn);
  if (device.is_cuda() && !fits_gpu)
    fail(ExitCode::usage, "--dtype " + std::string(dtype) +
                              ": a GPU computes in bfloat16 here; leave one of --dtype and "
                              "--devices out");
  return {device, wanted.value_or(device.is_cuda() ? at::kBFloat16 : at::kFloat)};
}

model::Model load_model(const fs::path& folder, const Placement& placement) {
  require_folder(folder);
  const std::string config_name = (folder / config_file).string();
  const arch::ModelConfig config =
      arch::parse_model_config(read_json(folder / config_file), config_name);
  store::ModelWeights weights(folder);
  device::use(placement.device);
  return device::translating_errors("--devices cpu takes the machine's memory.", [&] {
    model::Model model(config, placement.type, placement.device);
    params::load(weights, config, folder.string(), model.parameters());
    return model;
  });
}

data::ChatEncoder load_encoder(const fs::path& folder, const fs::path& chat_template) {
  require_folder(folder);
  return data::ChatEncoder::load(folder, chat_template);
}

void require_fit(const arch::ModelConfig& config, const text::Tokenizer& tokenizer,
                 const std::string& name) {
  const auto rows = static_cast<std::uint64_t>(config.vocab_size);
  if (tokenizer.vocab_size() <= rows) return;
  fail(ExitCode::cannot_load, name + ": the tokenizer has " +
                                  with_thousands(tokenizer.vocab_size()) +
                                  " tokens, the model's embedding " + with_thousands(rows) +
                                  " rows; they do not belong together");
}

GenerationDefaults load_generation_defaults(const fs::path& folder,
                                            const data::ChatEncoder& encoder) {
  require_folder(folder);
  const fs::path path = folder / generation_file;
  std::optional<Json> generation;
  if (fs::exists(path)) generation = read_json(path);
  GenerationDefaults result;
  if (generation)
    result.sampling = sampling_of(arch::parse_sampling_defaults(*generation, path.string()));
  else
    result.sampling = sampling_of({});
  arch::TokenIds ids;
  ids.eos = encoder.eos_id();
  const Json agreed = arch::agree_on_tokens(read_json(folder / config_file), std::move(generation),
                                            ids, folder.string())
                          .config;
  for (const std::int64_t id : arch::parse_eos(agreed, (folder / config_file).string()))
    add_once(result.eos_ids, id);
  return result;
}

std::vector<std::int32_t> eos_ids_of(const arch::ModelConfig& config,
                                     const data::ChatEncoder& encoder) {
  std::vector<std::int32_t> ids;
  for (const std::int64_t id : config.eos_token_ids) add_once(ids, id);
  if (const auto id = encoder.eos_id()) add_once(ids, *id);
  return ids;
}

}  // namespace fg::infer
