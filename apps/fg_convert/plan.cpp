#include "plan.hpp"

#include <algorithm>

#include <fg/arch/config_json.hpp>
#include <fg/arch/generation_config.hpp>
#include <fg/arch/tensor_names.hpp>
#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
#include <fg/base/units.hpp>
#include <fg/config/token_additions.hpp>
#include <fg/store/convert_dtype.hpp>
#include <fg/text/chat_template.hpp>
#include <fg/text/sentencepiece.hpp>

#include "compare.hpp"

namespace fg::convert {
namespace {

namespace fs = std::filesystem;

void append(std::vector<std::string>& to, const std::vector<std::string>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace

void require_config(const fs::path& source) {
  if (!fs::is_directory(source))
    fail(ExitCode::cannot_load, source.string() + ": no such folder; SRC must be a model folder");
  if (!fs::exists(source / "config.json"))
    fail(ExitCode::cannot_load,
         source.string() +
             ": holds no config.json; SRC must be a Hugging Face or fg model "
             "folder");
}

namespace {

store::WeightFormat choose_format(const Options& options, Direction direction) {
  using store::WeightFormat;
  const bool to_fg = direction == Direction::to_fg;
  const WeightFormat format =
      options.format.value_or(to_fg ? WeightFormat::hdf5 : WeightFormat::safetensors);
  if (!to_fg && format == WeightFormat::hdf5)
    fail(ExitCode::usage,
         "--format hdf5: SRC is an fg folder, so DST becomes a Hugging Face one, which "
         "transformers reads as safetensors or bin");
  return format;
}

/// Where a file of the tokenizer is missing and SentencePiece's is there, the latter says it all.
arch::TokenizerFiles read_tokenizer(const fs::path& source, std::vector<std::string>& notes) {
  if (fs::exists(source / "tokenizer.json") || !fs::exists(source / "tokenizer.model"))
    return arch::read_tokenizer_files(source);
  const fs::path model = source / "tokenizer.model";
  notes.push_back("tokenizer.json is missing; it is made from tokenizer.model");
  return arch::read_tokenizer_files(
      source, text::tokenizer_json_from_sentencepiece(read_text(model, 64 << 20), model.string(),
                                                      text::TokenizerConfig::load(source)));
}

arch::TokenPlan plan_tokens(const Options& options, Direction direction,
                            const arch::ModelConfig& model, std::vector<std::string>& notes) {
  arch::TokenAdditions additions;
  if (!options.add_tokens.empty()) additions = config::read_token_additions(options.add_tokens);
  arch::TokenPlanOptions how;
  // An export changes nothing that it was not asked to change.
  how.skip_default_tokens = options.skip_default_tokens || direction == Direction::to_hugging_face;
  how.pad_vocab_to = options.pad_vocab_to;
  if (!options.chat_template.empty()) {
    try {
      how.chat_template = read_text(options.chat_template, 1 << 20);
      text::ChatTemplate::parse(*how.chat_template, options.chat_template.string());
    } catch (const Error& error) {
      fail(ExitCode::usage, error.what());
    }
  }
  return arch::plan_token_additions(additions, read_tokenizer(options.source, notes), model, how);
}

void check_weights(const Plan& plan, store::ModelWeights& weights, const Options& options,
                   std::vector<std::string>& notes) {
  const auto check = arch::check_tensors(plan.model, weights.tensors());
  arch::require_tensors(check, options.source.string());
  if (!check.dropped.empty())
    notes.push_back(std::to_string(check.dropped.size()) +
                    " cached rotary tables (inv_freq) are left out; they follow from config.json");
  if (!check.has_tied_head) return;
  if (!tensors_are_equal(weights, arch::embedding_name, arch::head_name))
    fail(ExitCode::cannot_load,
         options.source.string() +
             ": config.json ties the head to the embedding, but lm_head.weight "
             "is stored with other values; set tie_word_embeddings to false in a "
             "copy of the model if the head is meant");
  notes.push_back("lm_head.weight is left out; it is tied to the embedding and equal to it");
}

/// The new folder's tensors in the model's own order.
std::vector<OutputTensor> plan_tensors(const Plan& plan, const store::ModelWeights& weights,
                                       const Options& options) {
  std::vector<OutputTensor> tensors;
  for (auto& info : arch::expected_tensors(plan.model, store::Dtype::float32)) {
    OutputTensor tensor;
    tensor.source = *weights.find(info.name);
    const auto& found = weights.tensors()[tensor.source];
    tensor.has_token_rows = info.name == arch::embedding_name || info.name == arch::head_name;
    tensor.info = std::move(info);
    tensor.info.dtype = options.dtype.value_or(found.dtype);
    if (!store::can_convert(found.dtype, tensor.info.dtype))
      fail(ExitCode::cannot_load, options.source.string() + ": " + found.name + " is " +
                                      std::string(store::name_of(found.dtype)) +
                                      ", which is not converted to " +
                                      std::string(store::name_of(tensor.info.dtype)));
    if (tensor.has_token_rows)
      tensor.info.shape[0] = static_cast<std::uint64_t>(plan.tokens.new_rows);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

void plan_shards(Plan& plan, const Options& options) {
  std::vector<store::TensorInfo> infos;
  for (const OutputTensor& tensor : plan.tensors) infos.push_back(tensor.info);
  const auto shards = store::plan_shards(infos, options.max_shard_bytes, plan.format);
  for (const auto& shard : shards) {
    OutputShard output{.name = shard.file, .tensors = shard.tensors, .bytes = 0};
    for (const std::size_t tensor : shard.tensors) output.bytes += store::byte_count(infos[tensor]);
    plan.weight_bytes += output.bytes;
    plan.shards.push_back(std::move(output));
  }
  if (shards.size() > 1)
    plan.files.push_back({store::index_file_name(plan.format), store::index_json(infos, shards)});
}

void plan_configs(Plan& plan, Json config, const Options& options) {
  const std::string source = options.source.string();
  std::optional<Json> generation;
  if (fs::exists(options.source / "generation_config.json"))
    generation = read_json(options.source / "generation_config.json");

  // An export without additions keeps both files as they are.
  if (plan.direction == Direction::to_fg || !options.add_tokens.empty()) {
    auto agreed =
        arch::agree_on_tokens(std::move(config), std::move(generation), plan.tokens.ids, source);
    config = std::move(agreed.config);
    generation = std::move(agreed.generation);
    append(plan.notes, agreed.notes);
  }
  if (plan.tokens.new_rows != plan.tokens.old_rows)
    config = arch::with_vocab_size(std::move(config), plan.tokens.new_rows);
  const store::Dtype stored = plan.tensors.front().info.dtype;
  if (options.dtype) config = arch::with_dtype(std::move(config), store::name_of(*options.dtype));
  config = arch::with_both_spellings(std::move(config));
  if (plan.direction == Direction::to_fg)
    config = arch::with_fg_object(
        std::move(config), {.source_type = std::string(arch::model_type_of(plan.model.family)),
                            .dtype = std::string(store::name_of(stored))});
  else
    config = arch::without_fg_object(std::move(config));

  plan.files.push_back({"config.json", arch::to_file_text(config)});
  if (generation) plan.files.push_back({"generation_config.json", arch::to_file_text(*generation)});
}

void plan_tokenizer_files(Plan& plan) {
  const auto& files = plan.tokens.files;
  const auto add = [&](const char* path, const std::optional<std::string>& text) {
    if (text) plan.files.push_back({path, *text});
  };
  add("tokenizer.json", files.tokenizer_json);
  add("tokenizer_config.json", files.tokenizer_config);
  add("special_tokens_map.json", files.special_tokens_map);
  add("added_tokens.json", files.added_tokens);
  for (const auto& chat_template : plan.tokens.chat_templates)
    plan.files.push_back({chat_template.path, chat_template.text});
}

/// The names of a folder's regular files, sorted.
std::vector<std::string> plain_files(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file()) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// What goes along as it is: the files of slow tokenizers, and licences, which must stay with
/// weights.
void plan_copies(Plan& plan, const fs::path& source) {
  const fs::path more_templates = "additional_chat_templates";
  if (!plan.tokens.replaces_chat_template && fs::is_directory(source / more_templates))
    for (const std::string& name : plain_files(source / more_templates))
      if (name.ends_with(".jinja"))
        plan.files.push_back(
            {(more_templates / name).string(), read_text(source / more_templates / name, 1 << 20)});
  for (const std::string& name : plain_files(source)) {
    const bool is_tokenizer =
        name == "tokenizer.model" || name == "vocab.json" || name == "merges.txt";
    const bool is_licence =
        name.starts_with("LICENSE") || name.starts_with("NOTICE") || name.starts_with("USE_POLICY");
    if (is_tokenizer || is_licence)
      plan.files.push_back({name, read_text(source / name, 64 << 20)});
  }
}

}  // namespace

Plan make_plan(const Options& options, store::ModelWeights& weights) {
  Json config = read_json(options.source / "config.json");
  const std::string name = (options.source / "config.json").string();
  Plan plan;
  plan.direction =
      arch::find_fg_object(config, name) ? Direction::to_hugging_face : Direction::to_fg;
  plan.format = choose_format(options, plan.direction);
  plan.model = arch::parse_model_config(config, name);
  plan.notes.assign(weights.notes().begin(), weights.notes().end());
  check_weights(plan, weights, options, plan.notes);
  plan.tokens = plan_tokens(options, plan.direction, plan.model, plan.notes);
  append(plan.notes, plan.tokens.notes);
  append(plan.warnings, plan.tokens.warnings);
  plan.tensors = plan_tensors(plan, weights, options);
  plan_shards(plan, options);
  plan_configs(plan, std::move(config), options);
  plan_tokenizer_files(plan);
  plan_copies(plan, options.source);
  return plan;
}

std::string describe(const Plan& plan, const Options& options) {
  const bool to_fg = plan.direction == Direction::to_fg;
  std::string text = to_fg ? "Hugging Face → fg\n" : "fg → Hugging Face\n";
  const auto line = [&](const std::string& label, const std::string& value) {
    text +=
        "  " + label + std::string(label.size() < 10 ? 10 - label.size() : 1, ' ') + value + "\n";
  };
  line("source", options.source.string() + " (" +
                     std::string(arch::architecture_of(plan.model.family)) + ", " +
                     std::to_string(plan.tensors.size()) + " tensors)");
  line("target", options.target.string());
  line("weights", std::to_string(plan.shards.size()) + " file" +
                      (plan.shards.size() == 1 ? "" : "s") + " (" + plan.shards.front().name +
                      (plan.shards.size() > 1 ? ", …" : "") + "), " +
                      format_bytes(plan.weight_bytes) + ", " +
                      std::string(store::name_of(plan.tensors.front().info.dtype)));
  line("rows",
       std::to_string(plan.tokens.old_rows) + (plan.tokens.new_rows == plan.tokens.old_rows
                                                   ? std::string()
                                                   : " → " + std::to_string(plan.tokens.new_rows)));
  for (const std::string& note : plan.notes) line("note", note);
  return text;
}

}  // namespace fg::convert
