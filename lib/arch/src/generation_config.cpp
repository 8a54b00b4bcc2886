#include "fg/arch/generation_config.hpp"

#include <algorithm>
#include <utility>

#include <fg/base/failpoint.hpp>

#include "fields.hpp"

namespace fg::arch {
namespace {

constexpr std::int64_t largest_id = (std::int64_t{1} << 31) - 1;
constexpr std::size_t most_ids = 256;

void add_once(std::vector<std::int64_t>& list, std::int64_t id) {
  if (std::find(list.begin(), list.end(), id) == list.end()) list.push_back(id);
}

std::string shown_list(const std::vector<std::int64_t>& list) {
  return Json(list).dump();
}

/// Writes the list, unless the file already says exactly that.
void set_eos(Json& object, const std::vector<std::int64_t>& list, const std::string& name) {
  if (list.empty()) return;
  const bool had_list = object.contains("eos_token_id") && object["eos_token_id"].is_array();
  if (parse_eos(object, name) == list) return;
  if (list.size() == 1 && !had_list)
    object["eos_token_id"] = list[0];
  else
    object["eos_token_id"] = list;
}

void set_id(Json& object, const char* key, const std::optional<std::int64_t>& id,
            const std::string& file, std::vector<std::string>& notes) {
  if (!id) return;
  const bool had = object.contains(key) && !object[key].is_null();
  if (had && object[key] == *id) return;
  if (had)
    notes.push_back(file + ": " + key + " is now " + std::to_string(*id) +
                    ", the tokenizer's; it was " + shown(object[key]) + ".");
  object[key] = *id;
}

}  // namespace

std::vector<std::int64_t> parse_eos(const Json& object, const std::string& name) {
  const Fields fields(object, name);
  std::vector<std::int64_t> result;
  const Json* value = fields.find_value("eos_token_id");
  if (value == nullptr) return result;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& id : list) {
    const bool fits = id.is_number_integer() && id >= 0 && id <= largest_id;
    if (!fits || list.size() > most_ids)
      fields.refuse("eos_token_id", "an id that is not negative, or a list of at most " +
                                        std::to_string(most_ids) + " of them");
    add_once(result, id.get<std::int64_t>());
  }
  return result;
}

SamplingDefaults parse_sampling_defaults(const Json& generation, const std::string& name) {
  constexpr double most = 1e6;
  const Fields fields(generation, name);
  SamplingDefaults result;
  if (fields.find_value("do_sample") != nullptr)
    result.do_sample = fields.boolean("do_sample", false);
  result.temperature = fields.maybe_number("temperature", 0.0, most);
  result.top_k = fields.maybe_integer("top_k", std::nullopt, 0, largest_id);
  result.top_p = fields.maybe_number("top_p", 0.0, 1.0);
  result.min_p = fields.maybe_number("min_p", 0.0, 1.0);
  result.repetition_penalty = fields.maybe_number("repetition_penalty", 1e-6, most);
  return result;
}

AgreedConfigs agree_on_tokens(Json config, std::optional<Json> generation, const TokenIds& ids,
                              const std::string& name) {
  const std::string config_name = name + "/config.json";
  const std::string generation_name = name + "/generation_config.json";
  std::vector<std::int64_t> list = parse_eos(config, config_name);
  if (generation) {
    for (const std::int64_t id : parse_eos(*generation, generation_name)) add_once(list, id);
  }
  if (ids.eos) add_once(list, *ids.eos);
  if (fault_planted("arch.eos_sorted")) std::sort(list.rbegin(), list.rend());

  AgreedConfigs result;
  set_eos(config, list, config_name);
  set_id(config, "bos_token_id", ids.bos, "config.json", result.notes);
  set_id(config, "pad_token_id", ids.pad, "config.json", result.notes);
  const bool made = !generation && (!list.empty() || ids.bos || ids.pad);
  if (made) {
    generation = Json::object();
    if (config.contains("bos_token_id") && !config["bos_token_id"].is_null())
      (*generation)["bos_token_id"] = Json(config["bos_token_id"]);
    result.notes.push_back("The source has no generation_config.json; one was made.");
  }
  if (generation) {
    set_id(*generation, "bos_token_id", ids.bos, "generation_config.json", result.notes);
    set_eos(*generation, list, generation_name);
    set_id(*generation, "pad_token_id", ids.pad, "generation_config.json", result.notes);
  }
  if (list.size() > 1)
    result.notes.push_back("Generation ends at any of the token ids " + shown_list(list) + ".");
  result.config = std::move(config);
  result.generation = std::move(generation);
  return result;
}

}  // namespace fg::arch
