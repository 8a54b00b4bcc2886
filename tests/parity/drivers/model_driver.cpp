// Runs a model folder for tests/parity/test_model_math.py:
//
//   model_driver train FOLDER BATCH.json OUT.safetensors
//     BATCH.json: {"dtype", "policy", "scale", "ids", "lengths", "targets"}
//     OUT: "losses", "logits" and "grad.NAME" of every tensor
//   model_driver rope FOLDER LENGTH OUT.safetensors
//     OUT: "inverse" (frequencies) and "factor"
//   model_driver generate FOLDER BATCH.json OUT.safetensors
//     BATCH.json: {"dtype", "ids", "count"}; OUT: "ids", the greedy continuation

#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <fg/arch/model_config.hpp>
#include <fg/base/json.hpp>
#include <fg/model/model.hpp>
#include <fg/ops/rotary.hpp>
#include <fg/params/weights.hpp>
#include <fg/store/model_weights.hpp>
#include <fg/store/safetensors.hpp>

namespace {

using Named = std::vector<std::pair<std::string, at::Tensor>>;
using Numbers = std::vector<std::int64_t>;

void write(const std::filesystem::path& path, const Named& tensors) {
  std::vector<fg::store::TensorInfo> infos;
  for (const auto& [name, tensor] : tensors)
    infos.push_back({name,
                     fg::params::dtype_of(tensor.scalar_type()),
                     {tensor.sizes().begin(), tensor.sizes().end()}});
  const auto writer = fg::store::create_safetensors(path, infos);
  for (std::size_t index = 0; index < writer->tensors().size(); ++index)
    for (const auto& [name, tensor] : tensors) {
      if (name != writer->tensors()[index].name) continue;
      const at::Tensor whole = tensor.contiguous();
      writer->write(index, 0, {static_cast<const std::byte*>(whole.data_ptr()), whole.nbytes()});
    }
  writer->finish();
}

fg::arch::ModelConfig config_of(const std::filesystem::path& folder) {
  return fg::arch::parse_model_config(fg::read_json(folder / "config.json"), folder.string());
}

fg::model::Model load(const std::filesystem::path& folder, const std::string& dtype) {
  fg::model::Model model(config_of(folder),
                         fg::params::scalar_type_of(fg::store::parse_dtype(dtype).value()));
  fg::store::ModelWeights weights(folder);
  fg::params::load(weights, model.config(), folder.string(), model.parameters());
  return model;
}

void train(const std::filesystem::path& folder, const fg::Json& job,
           const std::filesystem::path& out) {
  fg::model::Model model = load(folder, job.at("dtype"));
  if (job.at("policy") == "checkpoint") model.set_policy(fg::model::MemoryPolicy::checkpoint);
  const fg::model::Batch batch =
      model.make_batch(job.at("ids").get<Numbers>(), job.at("lengths").get<Numbers>(),
                       job.at("targets").get<Numbers>());
  fg::params::Gradients gradients(model.parameters(), model.parameters().type());
  gradients.start_step(1);
  Named result{{"losses", model.train(batch, job.at("scale"), gradients)},
               {"logits", model.logits(batch)}};
  for (std::size_t index = 0; index < model.parameters().layout().logical.size(); ++index)
    result.emplace_back("grad." + model.parameters().layout().logical[index].name,
                        gradients.logical(index));
  write(out, result);
}

void rope(const std::filesystem::path& folder, std::int64_t length,
          const std::filesystem::path& out) {
  const fg::arch::ModelConfig config = config_of(folder);
  const fg::ops::RotaryFrequencies frequencies = fg::ops::rotary_frequencies(
      config.rope, config.head_dim, config.max_position_embeddings, length);
  write(out, {{"inverse", frequencies.inverse},
              {"factor", at::full({1}, frequencies.attention_factor, at::kDouble)}});
}

void generate(const std::filesystem::path& folder, const fg::Json& job,
              const std::filesystem::path& out) {
  fg::model::Model model = load(folder, job.at("dtype"));
  fg::model::KvCache cache(model.config(), model.parameters().type());
  Numbers next = job.at("ids").get<Numbers>();
  Numbers answer;
  while (answer.size() < job.at("count").get<std::size_t>()) {
    const at::Tensor logits = model.next_logits(next, cache);
    next = {at::argmax(logits).item<std::int64_t>()};
    answer.push_back(next[0]);
  }
  write(out, {{"ids", at::tensor(answer, at::kLong)}});
}

}  // namespace

int main(int count, char** words) {
  try {
    if (count != 5) return 2;
    const std::string task = words[1];
    if (task == "train") train(words[2], fg::read_json(words[3]), words[4]);
    if (task == "generate") generate(words[2], fg::read_json(words[3]), words[4]);
    if (task == "rope") rope(words[2], std::stoll(words[3]), words[4]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
