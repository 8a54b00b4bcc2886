#include <algorithm>

#include <fg/arch/config_json.hpp>
#include <fg/arch/tensor_names.hpp>
#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
#include <fg/base/units.hpp>
#include <fg/config/token_additions.hpp>
#include <fg/model_folder/plan.hpp>
#include <fg/store/convert_dtype.hpp>
#include <fg/text/chat_template.hpp>
#include <fg/text/sentencepiece.hpp>

#include "compare.hpp"
#include "plan_parts.hpp"

namespace fg::model_folder {
namespace {

namespace fs = std::filesystem;
using store::TensorUse;

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

Job conversion_of(const fs::path& source) {
  const fs::path config = source / "config.json";
  return arch::find_fg_object(read_json(config), config.string()) ? Job::to_hugging_face
                                                                  : Job::to_fg;
}

namespace {

store::WeightFormat choose_format(const Options& options, Job job) {
  using store::WeightFormat;
  const WeightFormat format =
      options.format.value_or(job == Job::to_fg ? WeightFormat::hdf5 : WeightFormat::safetensors);
  if (job == Job::to_hugging_face && format == WeightFormat::hdf5)
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

arch::TokenPlan plan_tokens(const Options& options, Job job, const arch::ModelConfig& model,
                            std::vector<std::string>& notes) {
  arch::TokenAdditions additions;
  if (!options.add_tokens.empty()) additions = config::read_token_additions(options.add_tokens);
  arch::TokenPlanOptions how;
  // Only what comes into fg gets a token that nobody asked for.
  how.skip_default_tokens = options.skip_default_tokens || job != Job::to_fg;
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

void check_weights(const Plan& plan, Source& source, const Options& options,
                   std::vector<std::string>& notes) {
  const auto check = arch::check_tensors(plan.model, source.tensors(TensorUse::weights));
  arch::require_tensors(check, options.source.string());
  if (!check.dropped.empty())
    notes.push_back(std::to_string(check.dropped.size()) +
                    " cached rotary tables (inv_freq) are left out; they follow from config.json");
  if (!check.has_tied_head) return;
  if (!tensors_are_equal(source, arch::embedding_name, arch::head_name))
    fail(ExitCode::cannot_load,
         options.source.string() +
             ": config.json ties the head to the embedding, but lm_head.weight "
             "is stored with other values; set tie_word_embeddings to false in a "
             "copy of the model if the head is meant");
  notes.push_back("lm_head.weight is left out; it is tied to the embedding and equal to it");
}

std::vector<RowFill> fills_of(const arch::TokenPlan& tokens) {
  using Init = arch::NewRow::Init;
  std::vector<RowFill> fills;
  for (const arch::NewRow& row : tokens.rows) {
    RowFill fill{.row = static_cast<std::uint64_t>(row.id)};
    if (row.init == Init::mean) fill.kind = RowFill::Kind::mean;
    if (row.init == Init::copy) fill.kind = RowFill::Kind::copy;
    if (row.init == Init::copy) fill.source = static_cast<std::uint64_t>(row.source);
    fills.push_back(fill);
  }
  return fills;
}

/// The new folder's weights in the model's own order.
std::vector<OutputTensor> plan_tensors(const Plan& plan, const Source& source,
                                       const Options& options) {
  std::vector<OutputTensor> tensors;
  for (auto& info : arch::expected_tensors(plan.model, store::Dtype::float32)) {
    OutputTensor tensor;
    tensor.source = *source.find(TensorUse::weights, info.name);
    const auto& found = source.tensors(TensorUse::weights)[tensor.source];
    tensor.info = std::move(info);
    tensor.info.dtype = options.dtype.value_or(found.dtype);
    if (!store::can_convert(found.dtype, tensor.info.dtype))
      fail(ExitCode::cannot_load, options.source.string() + ": " + found.name + " is " +
                                      std::string(store::name_of(found.dtype)) +
                                      ", which is not converted to " +
                                      std::string(store::name_of(tensor.info.dtype)));
    if (tensor.info.name == arch::embedding_name || tensor.info.name == arch::head_name) {
      tensor.info.shape[0] = static_cast<std::uint64_t>(plan.tokens.new_rows);
      tensor.row_elements = tensor.info.shape[1];
      tensor.mean_rows = static_cast<std::uint64_t>(plan.tokens.mean_rows);
      tensor.fills = fills_of(plan.tokens);
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

void plan_shards(Plan& plan, const Options& options) {
  std::vector<store::TensorInfo> infos;
  for (const OutputTensor& tensor : plan.tensors) infos.push_back(tensor.info);
  const auto shards = store::plan_shards(infos, options.max_shard_bytes, plan.format);
  for (const auto& shard : shards) {
    OutputShard output{
        .name = shard.file, .format = plan.format, .tensors = shard.tensors, .bytes = 0};
    for (const std::size_t tensor : shard.tensors) output.bytes += store::byte_count(infos[tensor]);
    plan.total_bytes += output.bytes;
    plan.shards.push_back(std::move(output));
  }
  if (shards.size() > 1)
    plan.files.push_back({store::index_file_name(plan.format), store::index_json(infos, shards)});
}

const char* title_of(Job job) {
  switch (job) {
    case Job::to_fg:
      return "Hugging Face → fg";
    case Job::to_hugging_face:
      return "fg → Hugging Face";
    case Job::finalize:
      return "checkpoint → model";
  }
  return "";
}

/// "2 files (model-00001-of-00002.safetensors, …), 12.00 GiB, bfloat16"
std::string weights_text(const Plan& plan) {
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  for (const OutputShard& shard : plan.shards) {
    if (shard.tensors.front() >= plan.weight_count) continue;
    ++files;
    bytes += shard.bytes;
  }
  return std::to_string(files) + " file" + (files == 1 ? "" : "s") + " (" +
         plan.shards.front().name + (files > 1 ? ", …" : "") + "), " + format_bytes(bytes) + ", " +
         std::string(store::name_of(plan.tensors.front().info.dtype));
}

}  // namespace

Plan make_plan(Job job, const Options& options, Source& source) {
  const fs::path config = options.source / "config.json";
  Plan plan;
  plan.job = job;
  plan.format = choose_format(options, job);
  plan.model = arch::parse_model_config(read_json(config), config.string());
  plan.notes = source.notes();
  check_weights(plan, source, options, plan.notes);
  plan.tokens = plan_tokens(options, job, plan.model, plan.notes);
  append(plan.notes, plan.tokens.notes);
  append(plan.warnings, plan.tokens.warnings);
  plan.tensors = plan_tensors(plan, source, options);
  plan.weight_count = plan.tensors.size();
  plan_shards(plan, options);
  if (options.keep_optimizer) plan_optimizer_state(plan, source);
  plan_small_files(plan, options);
  return plan;
}

std::string describe(const Plan& plan, const Options& options) {
  std::string text = std::string(title_of(plan.job)) + "\n";
  const auto line = [&](const std::string& label, const std::string& value) {
    text +=
        "  " + label + std::string(label.size() < 10 ? 10 - label.size() : 1, ' ') + value + "\n";
  };
  line("source", options.source.string() + " (" +
                     std::string(arch::architecture_of(plan.model.family)) + ", " +
                     std::to_string(plan.weight_count) + " tensors)");
  line("target", options.target.string());
  line("weights", weights_text(plan));
  if (!plan.slices.optimizer.empty())
    line("optimizer", std::to_string(plan.slices.optimizer.size()) + " tensors (" + optimizer_file +
                          "), " + format_bytes(plan.shards.back().bytes));
  line("rows",
       std::to_string(plan.tokens.old_rows) + (plan.tokens.new_rows == plan.tokens.old_rows
                                                   ? std::string()
                                                   : " → " + std::to_string(plan.tokens.new_rows)));
  for (const std::string& note : plan.notes) line("note", note);
  return text;
}

}  // namespace fg::model_folder
