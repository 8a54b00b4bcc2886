#include "tokenizer_edits.hpp"

#include <utility>

#include "fields.hpp"
#include "object_text.hpp"
#include "small_files.hpp"

namespace fg::arch {
namespace {

Json flags_of(const AddedToken& token) {
  return Json{{"content", token.content}, {"single_word", false}, {"lstrip", false},
              {"rstrip", false},          {"normalized", false},  {"special", token.special}};
}

Json entry_of(const AddedToken& token) {
  Json entry{{"id", token.id}};
  entry.update(flags_of(token));
  return entry;
}

/// True if the entry existed; it is then made special where that is asked for.
bool update_entry(Json& list, const AddedToken& token) {
  for (Json& entry : list) {
    if (entry["content"] != token.content) continue;
    if (token.special) entry["special"] = true;
    return true;
  }
  return false;
}

bool is_special_piece(const Json& piece, const std::string& token) {
  return piece.is_object() && piece.contains("SpecialToken") && piece["SpecialToken"].is_object() &&
         piece["SpecialToken"].value("id", Json()) == token;
}

/// Replaces `old` by `token` where the template puts it behind a text. True if it did.
bool replace_appended(Json& pieces, const std::string& old, const std::string& token) {
  bool replaced = false;
  for (std::size_t index = 1; index < pieces.size(); ++index) {
    const bool behind_text =
        pieces[index - 1].is_object() && pieces[index - 1].contains("Sequence");
    if (!behind_text || !is_special_piece(pieces[index], old)) continue;
    pieces[index]["SpecialToken"]["id"] = token;
    replaced = true;
  }
  return replaced;
}

bool uses(const Json& processor, const std::string& token) {
  for (const char* key : {"single", "pair"})
    for (const Json& piece : processor.value(key, Json::array()))
      if (is_special_piece(piece, token)) return true;
  return false;
}

bool replace_in_template(Json& processor, const std::string& old, const AddedToken& eos) {
  bool replaced = false;
  for (const char* key : {"single", "pair"})
    if (processor.contains(key) && processor[key].is_array())
      replaced = replace_appended(processor[key], old, eos.content) || replaced;
  if (!replaced) return false;
  Json& table = processor["special_tokens"];
  if (!table.is_object()) table = Json::object();
  if (!uses(processor, old)) table.erase(old);
  table[eos.content] = Json{
      {"id", eos.content}, {"ids", Json::array({eos.id})}, {"tokens", Json::array({eos.content})}};
  return true;
}

bool replace_in_processor(Json& processor, const std::string& old, const AddedToken& eos) {
  if (!processor.is_object()) return false;
  const Json type = processor.value("type", Json());
  if (type == "TemplateProcessing") return replace_in_template(processor, old, eos);
  bool replaced = false;
  if (type == "Sequence" && processor.contains("processors") && processor["processors"].is_array())
    for (Json& inner : processor["processors"])
      replaced = replace_in_processor(inner, old, eos) || replaced;
  return replaced;
}

Json list_of(const Json& object, const char* key) {
  if (!object.contains(key) || !object[key].is_array()) return Json::array();
  return object[key];
}

std::string content_of(const Json& token) {
  if (token.is_string()) return token.get<std::string>();
  if (token.is_object() && token.contains("content") && token["content"].is_string())
    return token["content"].get<std::string>();
  return "";
}

void add_content_once(Json& list, const Json& token) {
  for (const Json& known : list)
    if (content_of(known) == content_of(token)) return;
  list.push_back(token);
}

/// 5.x lists `extra_special_tokens`, at which 4.x fails; both read `additional_special_tokens`.
/// A table (not a list) of extra tokens is read by both and stays.
void edit_additional_tokens(ObjectText& text, const Json& config, const TokenizerEdits& edits) {
  const bool has_extra_list =
      config.contains("extra_special_tokens") && config["extra_special_tokens"].is_array();
  if (!has_extra_list && edits.additional_special.empty()) return;
  Json list = list_of(config, "additional_special_tokens");
  for (const Json& token : list_of(config, "extra_special_tokens")) add_content_once(list, token);
  for (const std::string& token : edits.additional_special) add_content_once(list, Json(token));
  text.set("additional_special_tokens", list);
  if (has_extra_list) text.remove("extra_special_tokens");
}

void edit_tokenizer_config(TokenizerFiles& files, const TokenizerEdits& edits) {
  const std::string name = files.name + "/tokenizer_config.json";
  const bool needed = !edits.roles.empty() || !edits.additional_special.empty();
  if (!files.tokenizer_config && !needed) return;
  const Json config = parse_small(files.tokenizer_config, name);
  ObjectText text(files.tokenizer_config.value_or("{}\n"), name);
  for (const auto& [role, token] : edits.roles) text.set(key_of(role), token);
  edit_additional_tokens(text, config, edits);
  if (config.contains("added_tokens_decoder") && !edits.added.empty()) {
    Json decoder = config["added_tokens_decoder"];
    if (!decoder.is_object())
      fail(ExitCode::cannot_load,
           name + ": 'added_tokens_decoder' is " + shown(decoder) + "; an object is wanted");
    for (const AddedToken& token : edits.added) {
      Json& entry = decoder[std::to_string(token.id)];
      if (entry.is_object())
        entry["special"] = token.special || entry.value("special", Json(false)) == true;
      else
        entry = flags_of(token);
    }
    text.set("added_tokens_decoder", decoder);
  }
  // 5.x's name of the class that 4.x calls PreTrainedTokenizerFast, a name that 5.x knows as well.
  const bool new_name = config.value("tokenizer_class", Json()) == "TokenizersBackend";
  if (new_name || (!files.tokenizer_config && !config.contains("tokenizer_class")))
    text.set("tokenizer_class", "PreTrainedTokenizerFast");
  files.tokenizer_config = text.text();
}

void edit_special_tokens_map(TokenizerFiles& files, const TokenizerEdits& edits) {
  if (!files.special_tokens_map) return;
  const std::string name = files.name + "/special_tokens_map.json";
  const Json map = parse_small(files.special_tokens_map, name);
  ObjectText text(*files.special_tokens_map, name);
  for (const auto& [role, token] : edits.roles) text.set(key_of(role), token);
  Json list = list_of(map, "additional_special_tokens");
  for (const std::string& token : edits.additional_special) add_content_once(list, Json(token));
  if (!edits.additional_special.empty()) text.set("additional_special_tokens", list);
  files.special_tokens_map = text.text();
}

void edit_added_tokens(TokenizerFiles& files, const TokenizerEdits& edits) {
  if (!files.added_tokens || edits.added.empty()) return;
  const std::string name = files.name + "/added_tokens.json";
  parse_small(files.added_tokens, name);
  ObjectText text(*files.added_tokens, name);
  for (const AddedToken& token : edits.added) text.set(token.content, token.id);
  files.added_tokens = text.text();
}

}  // namespace

std::string edit_tokenizer_json(const TokenizerFiles& files, const TokenizerEdits& edits,
                                const Vocabulary& vocabulary) {
  const bool moves_eos = edits.old_eos && edits.new_eos;
  if (edits.added.empty() && !moves_eos) return files.tokenizer_json;
  ObjectText text(files.tokenizer_json, files.name + "/tokenizer.json");
  Json list = vocabulary.added_tokens();
  for (const AddedToken& token : edits.added)
    if (!update_entry(list, token)) list.push_back(entry_of(token));
  if (list != vocabulary.added_tokens()) text.set("added_tokens", list);
  if (moves_eos) {
    std::optional<Json> processor = text.value("post_processor");
    if (processor && replace_in_processor(*processor, *edits.old_eos, *edits.new_eos))
      text.set("post_processor", *processor);
  }
  return text.text();
}

void edit_small_files(TokenizerFiles& files, const TokenizerEdits& edits) {
  edit_tokenizer_config(files, edits);
  edit_special_tokens_map(files, edits);
  edit_added_tokens(files, edits);
}

}  // namespace fg::arch
