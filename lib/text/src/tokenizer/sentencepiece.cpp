#include <algorithm>
#include <cctype>
#include <optional>

#include <fg/base/error.hpp>
#include <fg/base/json.hpp>
#include <fg/text/sentencepiece.hpp>

#include "tokenizer/sentencepiece_model.hpp"
#include "tokenizer/utf8_scan.hpp"
#include "tokenizer/vocabulary.hpp"

namespace fg::text {
namespace {

using tok::SentencePieceModel;
using PieceType = SentencePieceModel::PieceType;

constexpr std::size_t max_piece_bytes = 4096;
constexpr const char* meta = "\xE2\x96\x81";

/// Llama 3's tokenizer.model: lines of base64, a blank and a rank.
bool is_tiktoken(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, std::min(bytes.find('\n'), bytes.size()));
  const std::size_t blank = line.find(' ');
  const auto is_base64 = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '+' || c == '/' || c == '=';
  };
  return blank != std::string_view::npos && blank > 0 && blank + 1 < line.size() &&
         std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(blank), is_base64) &&
         std::all_of(line.begin() + static_cast<std::ptrdiff_t>(blank) + 1, line.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

void expect_supported(const SentencePieceModel& model, const std::string& name) {
  const auto refuse = [&](const std::string& what) {
    fail(ExitCode::cannot_load, name + ": " + what + " is not supported");
  };
  if (model.model_type == 1) refuse("trainer_spec.model_type Unigram");
  if (model.model_type != 2) refuse("trainer_spec.model_type " + std::to_string(model.model_type));
  if (!model.byte_fallback) refuse("trainer_spec.byte_fallback false");
  if (model.treat_whitespace_as_suffix) refuse("trainer_spec.treat_whitespace_as_suffix true");
  if (model.has_character_map)
    refuse("normalizer_spec.precompiled_charsmap ('" + model.normalizer_name + "')");
  if (model.remove_extra_whitespaces) refuse("normalizer_spec.remove_extra_whitespaces true");
  if (!model.escape_whitespaces) refuse("normalizer_spec.escape_whitespaces false");
}

tok::Vocabulary index_pieces(const SentencePieceModel& model, const std::string& name) {
  tok::Vocabulary vocabulary;
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    const std::string& text = model.pieces[id].text;
    if (text.size() > max_piece_bytes)
      fail(ExitCode::cannot_load, name + ": piece " + std::to_string(id) + " has " +
                                      std::to_string(text.size()) + " bytes");
    vocabulary.add(text, static_cast<tok::TokenId>(id));
  }
  if (const auto flaw = vocabulary.finish())
    fail(ExitCode::cannot_load, name + ": pieces: " + flaw->what);
  return vocabulary;
}

/// A BPE model ranks merges by their result's id. Every way to cut a piece into two others is one;
/// within a piece the shortest left part comes first.
Json merges_of(const SentencePieceModel& model, const tok::Vocabulary& vocabulary) {
  Json merges = Json::array();
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    const std::string_view text = piece.text;
    std::size_t length = 0;
    for (std::size_t cut = 0; cut < text.size(); cut += length) {
      tok::scan_utf8(text, cut, length);
      if (cut == 0) continue;
      const std::string_view left = text.substr(0, cut), right = text.substr(cut);
      if (vocabulary.find(left) != tok::no_token && vocabulary.find(right) != tok::no_token)
        merges.push_back({left, right});
    }
  }
  return merges;
}

Json added_token(std::size_t id, const std::string& content, bool special) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

Json added_tokens_of(const SentencePieceModel& model, const TokenizerConfig& config,
                     const tok::Vocabulary& vocabulary, const std::string& name) {
  Json tokens = Json::array();
  for (std::size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& [text, type] = model.pieces[id];
    const bool special = type == PieceType::control || type == PieceType::unknown;
    if (special || type == PieceType::user_defined)
      tokens.push_back(added_token(id, text, special));
  }
  std::size_t next = model.pieces.size();
  for (const TokenizerConfig::AddedToken& token : config.added_tokens) {
    const tok::TokenId known = vocabulary.find(token.content);
    const std::size_t wanted = known != tok::no_token ? static_cast<std::size_t>(known) : next;
    if (static_cast<std::size_t>(token.id) != wanted)
      fail(ExitCode::cannot_load, name + ": the added token '" + token.content + "' has id " +
                                      std::to_string(token.id) + ", but " + std::to_string(wanted) +
                                      " is its place");
    if (known != tok::no_token) continue;
    Json entry = added_token(next++, token.content, token.special);
    entry["single_word"] = token.single_word;
    entry["lstrip"] = token.lstrip;
    entry["rstrip"] = token.rstrip;
    entry["normalized"] = token.normalized;
    tokens.push_back(std::move(entry));
  }
  return tokens;
}

Json special_piece(const std::string& token, int type_id) {
  return {{"SpecialToken", {{"id", token}, {"type_id", type_id}}}};
}

Json post_processor_of(const SentencePieceModel& model, const TokenizerConfig& config,
                       const Json& added, const std::string& name) {
  const std::string bos = config.bos_token.value_or(model.bos_piece);
  const std::string eos = config.eos_token.value_or(model.eos_piece);
  Json special = Json::object();
  const auto declare = [&](const std::string& token) {
    const auto found = std::find_if(added.begin(), added.end(), [&](const Json& entry) {
      return entry["content"].get_ref<const std::string&>() == token;
    });
    if (found == added.end())
      fail(ExitCode::cannot_load, name + ": the special token '" + token + "' has no piece");
    special[token] = {
        {"id", token}, {"ids", Json::array({(*found)["id"]})}, {"tokens", Json::array({token})}};
  };
  const bool adds_bos = config.add_bos_token.value_or(true);
  const bool adds_eos = config.add_eos_token.value_or(false);
  if (adds_bos) declare(bos);
  if (adds_eos) declare(eos);
  Json single = Json::array(), pair = Json::array();
  for (int type_id = 0; type_id < 2; ++type_id) {
    Json half = Json::array();
    if (adds_bos) half.push_back(special_piece(bos, type_id));
    half.push_back({{"Sequence", {{"id", type_id == 0 ? "A" : "B"}, {"type_id", type_id}}}});
    if (adds_eos) half.push_back(special_piece(eos, type_id));
    pair.insert(pair.end(), half.begin(), half.end());
    if (type_id == 0) single = half;
  }
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", special}};
}

Json decoder_of(bool add_prefix) {
  Json steps =
      Json::array({{{"type", "Replace"}, {"pattern", {{"String", meta}}}, {"content", " "}},
                   {{"type", "ByteFallback"}},
                   {{"type", "Fuse"}}});
  if (add_prefix) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return {{"type", "Sequence"}, {"decoders", steps}};
}

}  // namespace

std::string tokenizer_json_from_sentencepiece(std::string_view model_bytes, const std::string& name,
                                              const TokenizerConfig& config) {
  if (is_tiktoken(model_bytes))
    fail(ExitCode::cannot_load,
         name +
             ": this is a tiktoken vocabulary (the original format of Llama 3), which is not "
             "supported; put the tokenizer.json of the model's Hugging Face folder beside it");
  const SentencePieceModel model = tok::read_sentencepiece_model(model_bytes, name);
  expect_supported(model, name);
  const tok::Vocabulary vocabulary = index_pieces(model, name);
  Json pieces = Json::object();
  auto& members = pieces.get_ref<Json::object_t&>();
  Json::object_t::Container& list = members;  // without the ordered map's linear look-up
  for (std::size_t id = 0; id < model.pieces.size(); ++id)
    list.emplace_back(model.pieces[id].text, id);

  Json document;
  document["version"] = "1.0";
  document["truncation"] = nullptr;
  document["padding"] = nullptr;
  document["added_tokens"] = added_tokens_of(model, config, vocabulary, name);
  document["normalizer"] = nullptr;
  document["pre_tokenizer"] = {{"type", "Metaspace"},
                               {"replacement", meta},
                               {"prepend_scheme", model.add_dummy_prefix ? "always" : "never"},
                               {"split", false}};
  document["post_processor"] = post_processor_of(model, config, document["added_tokens"], name);
  document["decoder"] = decoder_of(model.add_dummy_prefix);
  document["model"] = {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", true},
                       {"byte_fallback", true},
                       {"ignore_merges", false},
                       {"vocab", std::move(pieces)},
                       {"merges", merges_of(model, vocabulary)}};
  return document.dump();
}

}  // namespace fg::text
