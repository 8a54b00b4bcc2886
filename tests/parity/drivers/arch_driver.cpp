// Drives lib/arch for the tests against transformers and tokenizers:
//   arch_driver config FILE             the parsed config.json, as JSON
//   arch_driver spellings FILE          config.json in both spellings
//   arch_driver tokens FOLDER OUT JSON  plans token additions, writes the files to OUT, prints the
//   plan
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

#include <fg/arch/config_json.hpp>
#include <fg/arch/generation_config.hpp>
#include <fg/arch/model_config.hpp>
#include <fg/arch/token_additions.hpp>
#include <fg/base/file.hpp>

namespace {

using fg::Json;
namespace arch = fg::arch;

template <typename Value>
Json maybe(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

Json rope_json(const arch::Rope& rope) {
  return Json{{"rope_type", arch::name_of(rope.kind)},
              {"rope_theta", rope.theta},
              {"factor", rope.factor},
              {"original_max_position_embeddings", rope.original_max_position_embeddings},
              {"low_freq_factor", rope.low_freq_factor},
              {"high_freq_factor", rope.high_freq_factor},
              {"attention_factor", maybe(rope.attention_factor)},
              {"beta_fast", rope.beta_fast},
              {"beta_slow", rope.beta_slow},
              {"mscale", maybe(rope.mscale)},
              {"mscale_all_dim", maybe(rope.mscale_all_dim)},
              {"truncate", rope.truncate}};
}

Json config_json(const arch::ModelConfig& config) {
  Json windowed = Json::array();
  for (const bool layer : config.windowed) windowed.push_back(layer);
  Json dtype;
  if (config.dtype) dtype = fg::store::name_of(*config.dtype);
  return Json{{"model_type", arch::model_type_of(config.family)},
              {"vocab_size", config.vocab_size},
              {"hidden_size", config.hidden_size},
              {"intermediate_size", config.intermediate_size},
              {"num_hidden_layers", config.layers},
              {"num_attention_heads", config.heads},
              {"num_key_value_heads", config.kv_heads},
              {"head_dim", config.head_dim},
              {"max_position_embeddings", config.max_position_embeddings},
              {"rms_norm_eps", config.rms_norm_eps},
              {"initializer_range", config.initializer_range},
              {"qkv_bias", config.qkv_bias},
              {"output_bias", config.output_bias},
              {"mlp_bias", config.mlp_bias},
              {"qk_norm", config.qk_norm},
              {"tie_word_embeddings", config.tied},
              {"sliding_window", maybe(config.sliding_window)},
              {"windowed", windowed},
              {"dtype", dtype},
              {"bos_token_id", maybe(config.bos_token_id)},
              {"eos_token_ids", config.eos_token_ids},
              {"pad_token_id", maybe(config.pad_token_id)},
              {"rope", rope_json(config.rope)}};
}

std::optional<arch::RoleRule> role_rule(const Json& request, const char* key) {
  if (!request.contains(key)) return std::nullopt;
  const Json& rule = request[key];
  if (rule.is_string()) return arch::RoleRule{rule.get<std::string>(), std::nullopt, false};
  arch::RoleRule result;
  result.token = rule.value("token", "");
  if (rule.contains("init")) result.init = arch::parse_row_init(rule["init"].get<std::string>());
  result.if_missing = rule.value("if_missing", false);
  return result;
}

arch::TokenAdditions read_additions(const Json& request) {
  arch::TokenAdditions additions;
  additions.bos_token = role_rule(request, "bos_token");
  additions.eos_token = role_rule(request, "eos_token");
  additions.pad_token = role_rule(request, "pad_token");
  additions.unk_token = role_rule(request, "unk_token");
  for (const Json& token : request.value("special_tokens", Json::array()))
    additions.special_tokens.push_back(token.get<std::string>());
  for (const Json& token : request.value("regular_tokens", Json::array()))
    additions.regular_tokens.push_back(token.get<std::string>());
  return additions;
}

void write_plan(const arch::TokenPlan& plan, const std::filesystem::path& out) {
  std::filesystem::create_directories(out);
  fg::write_synced(out / "tokenizer.json", plan.files.tokenizer_json);
  if (plan.files.tokenizer_config)
    fg::write_synced(out / "tokenizer_config.json", *plan.files.tokenizer_config);
  if (plan.files.special_tokens_map)
    fg::write_synced(out / "special_tokens_map.json", *plan.files.special_tokens_map);
  if (plan.files.added_tokens)
    fg::write_synced(out / "added_tokens.json", *plan.files.added_tokens);
  for (const arch::ChatTemplateFile& file : plan.chat_templates) {
    std::filesystem::create_directories((out / file.path).parent_path());
    fg::write_synced(out / file.path, file.text);
  }
}

Json plan_json(const arch::TokenPlan& plan) {
  Json rows = Json::array();
  for (const arch::NewRow& row : plan.rows) {
    const char* init = row.init == arch::NewRow::Init::copy
                           ? "copy"
                           : (row.init == arch::NewRow::Init::mean ? "mean" : "zero");
    rows.push_back(
        Json{{"id", row.id}, {"token", row.token}, {"init", init}, {"source", row.source}});
  }
  return Json{{"rows", rows},
              {"old_rows", plan.old_rows},
              {"new_rows", plan.new_rows},
              {"mean_rows", plan.mean_rows},
              {"bos", maybe(plan.ids.bos)},
              {"eos", maybe(plan.ids.eos)},
              {"pad", maybe(plan.ids.pad)},
              {"unk", maybe(plan.unk_id)},
              {"notes", plan.notes},
              {"warnings", plan.warnings}};
}

Json plan_tokens(const std::filesystem::path& folder, const std::filesystem::path& out,
                 const std::filesystem::path& request_path) {
  const Json request = fg::read_json(request_path);
  const Json source = fg::read_json(folder / "config.json");
  arch::TokenPlanOptions options;
  options.skip_default_tokens = request.value("skip_default_tokens", false);
  options.pad_vocab_to = request.value("pad_vocab_to", 0);
  if (request.contains("chat_template"))
    options.chat_template = request["chat_template"].get<std::string>();
  const arch::TokenPlan plan =
      arch::plan_token_additions(read_additions(request), arch::read_tokenizer_files(folder),
                                 arch::parse_model_config(source, "config.json"), options);
  write_plan(plan, out);
  std::optional<Json> generation;
  if (std::filesystem::exists(folder / "generation_config.json"))
    generation = fg::read_json(folder / "generation_config.json");
  const arch::AgreedConfigs agreed =
      arch::agree_on_tokens(source, generation, plan.ids, folder.string());
  const Json config =
      arch::with_both_spellings(arch::with_vocab_size(agreed.config, plan.new_rows));
  fg::write_synced(out / "config.json", arch::to_file_text(config));
  if (agreed.generation)
    fg::write_synced(out / "generation_config.json", arch::to_file_text(*agreed.generation));
  return plan_json(plan);
}

Json run(int count, char** arguments) {
  const std::string command = count > 2 ? arguments[1] : "";
  if (command == "config" && count == 3)
    return config_json(arch::parse_model_config(fg::read_json(arguments[2]), arguments[2]));
  if (command == "spellings" && count == 3)
    return arch::with_both_spellings(fg::read_json(arguments[2]));
  if (command == "tokens" && count == 5)
    return plan_tokens(arguments[2], arguments[3], arguments[4]);
  fg::fail(fg::ExitCode::usage, "usage: arch_driver config|spellings|tokens ...");
}

}  // namespace

int main(int count, char** arguments) {
  try {
    std::cout << run(count, arguments).dump(2) << "\n";
    return 0;
  } catch (const fg::Error& error) {
    std::cerr << error.what() << "\n";
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 70;
  }
}
