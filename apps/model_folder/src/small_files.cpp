#include <algorithm>
#include <set>

#include <fg/arch/config_json.hpp>
#include <fg/arch/generation_config.hpp>
#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/base/json.hpp>

#include "plan_parts.hpp"

namespace fg::model_folder {
namespace {

namespace fs = std::filesystem;

/// The eos list and the other roles, in both files as the tokenizer has them. An export without
/// additions keeps both as they are.
void agree(Plan& plan, Json& config, std::optional<Json>& generation, const Options& options) {
  if (plan.job == Job::to_hugging_face && options.add_tokens.empty()) return;
  auto agreed = arch::agree_on_tokens(std::move(config), std::move(generation), plan.tokens.ids,
                                      options.source.string());
  config = std::move(agreed.config);
  generation = std::move(agreed.generation);
  plan.notes.insert(plan.notes.end(), agreed.notes.begin(), agreed.notes.end());
  if (!fault_planted("finalize.eos_narrowed") || !generation) return;
  for (Json* object : {&config, &*generation})
    if ((*object)["eos_token_id"].is_array())
      (*object)["eos_token_id"] = Json((*object)["eos_token_id"].front());
}

void plan_configs(Plan& plan, const Options& options) {
  Json config = read_json(options.source / "config.json");
  std::optional<Json> generation;
  if (fs::exists(options.source / "generation_config.json"))
    generation = read_json(options.source / "generation_config.json");

  agree(plan, config, generation, options);
  if (plan.tokens.new_rows != plan.tokens.old_rows)
    config = arch::with_vocab_size(std::move(config), plan.tokens.new_rows);
  const store::Dtype stored = plan.tensors.front().info.dtype;
  if (options.dtype) config = arch::with_dtype(std::move(config), store::name_of(*options.dtype));
  config = arch::with_both_spellings(std::move(config));
  if (plan.job != Job::to_hugging_face)
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

bool goes_along(const std::string& name) {
  const bool is_tokenizer =
      name == "tokenizer.model" || name == "vocab.json" || name == "merges.txt";
  const bool is_licence =
      name.starts_with("LICENSE") || name.starts_with("NOTICE") || name.starts_with("USE_POLICY");
  return is_tokenizer || is_licence;
}

/// What goes along as it is: the files of slow tokenizers, and licences, which must stay with
/// weights.
void plan_copies(Plan& plan, const Options& options) {
  const fs::path more_templates = "additional_chat_templates";
  const fs::path templates = options.source / more_templates;
  if (!plan.tokens.replaces_chat_template && fs::is_directory(templates))
    for (const std::string& name : plain_files(templates))
      if (name.ends_with(".jinja"))
        plan.files.push_back(
            {(more_templates / name).string(), read_text(templates / name, 1 << 20)});
  std::vector<fs::path> folders = {options.source};
  folders.insert(folders.end(), options.more_sources.begin(), options.more_sources.end());
  std::set<std::string> taken;
  for (const fs::path& folder : folders)
    for (const std::string& name : plain_files(folder))
      if (goes_along(name) && taken.insert(name).second)
        plan.files.push_back({name, read_text(folder / name, 64 << 20)});
}

}  // namespace

void plan_small_files(Plan& plan, const Options& options) {
  plan_configs(plan, options);
  plan_tokenizer_files(plan);
  plan_copies(plan, options);
}

}  // namespace fg::model_folder
