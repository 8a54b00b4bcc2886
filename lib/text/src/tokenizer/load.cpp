#include <algorithm>
#include <limits>

#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/base/utf8.hpp>
#include <fg/text/sentencepiece.hpp>

#include "tokenizer/impl.hpp"

namespace fg::text {
namespace {

using tok::JsonPart;

constexpr std::size_t max_added_bytes = 1024;

std::string in_quotes(std::string_view text) {
  return "'" + std::string(text) + "'";
}

void expect_null(const JsonPart& document, std::string_view key, const std::string& what) {
  const auto found = document.find(key);
  if (found && !found->is_null())
    found->refuse(what + " stored in the tokenizer is not supported; set this to null");
}

std::optional<JsonPart> find_not_null(const JsonPart& document, std::string_view key) {
  auto found = document.find(key);
  if (found && found->is_null()) found.reset();
  return found;
}

tok::BpeSettings read_settings(const JsonPart& model, const tok::Vocabulary& vocabulary) {
  model.expect_keys({"type", "dropout", "unk_token", "continuing_subword_prefix",
                     "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges"});
  if (const auto dropout = find_not_null(model, "dropout"))
    if (!dropout->is_zero()) dropout->refuse("dropout is not supported: ids would be random");
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (const auto part = find_not_null(model, key); part && !part->text().empty())
      part->refuse("only an empty one is supported, found " + in_quotes(part->text()));
  tok::BpeSettings settings;
  settings.fuse_unknown = model.flag("fuse_unk", false);
  settings.byte_fallback = model.flag("byte_fallback", false);
  settings.ignore_merges = model.flag("ignore_merges", false);
  if (const auto unknown = find_not_null(model, "unk_token")) {
    settings.unknown = vocabulary.find(unknown->text());
    if (settings.unknown == tok::no_token)
      unknown->refuse(in_quotes(unknown->text()) + " is not in model.vocab");
  }
  return settings;
}

}  // namespace

Tokenizer::Impl::Impl(std::string_view text, const std::string& name, bool use_known_patterns) {
  tok::TokenizerFile file = tok::read_tokenizer_file(text, name);
  const JsonPart document(file.document, name);
  document.expect_keys({"version", "truncation", "padding", "added_tokens", "normalizer",
                        "pre_tokenizer", "post_processor", "decoder", "model"});
  if (const auto version = document.find("version"); version && version->text() != "1.0")
    version->refuse("version " + in_quotes(version->text()) + " is not supported, only 1.0");
  expect_null(document, "truncation", "truncation");
  expect_null(document, "padding", "padding");
  if (const auto part = find_not_null(document, "normalizer")) normalizer = tok::Normalizer(*part);
  if (const auto part = find_not_null(document, "pre_tokenizer"))
    pre_tokenizer = tok::PreTokenizer(*part, use_known_patterns);
  if (const auto part = find_not_null(document, "decoder")) decoder = tok::Decoder(*part);
  read_model(document.at("model"), file);
  if (const auto part = document.find("added_tokens")) read_added_tokens(*part);
  if (const auto part = find_not_null(document, "post_processor"))
    post_processor = tok::PostProcessor(*part, size());

  std::vector<tok::TokenId> special;
  for (const tok::AddedToken& token : added)
    if (token.special) special.push_back(token.id);
  bpe.emplace(model_vocabulary, file.merges, settings_, pre_tokenizer.is_byte_level(), special,
              pre_tokenizer.lone_metaspace());
  ignores_special = fault_planted("text.special_token");
  ignores_guards = fault_planted("text.guarded_span");
}

void Tokenizer::Impl::read_model(const JsonPart& model, tok::TokenizerFile& file) {
  if (const auto type = model.find("type"); type && type->text() != "BPE")
    type->refuse("model " + in_quotes(type->text()) + " is not supported, only BPE");
  if (!file.has_vocabulary || !file.has_merges)
    model.refuse("expected a BPE model with an object 'vocab' and an array 'merges'");
  model_vocabulary = std::move(file.vocabulary);
  settings_ = read_settings(model, model_vocabulary);
  if (!settings_.byte_fallback || !pre_tokenizer.is_byte_level()) return;
  for (const char32_t letter : tok::byte_letters()) {
    std::string text;
    append_utf8(text, letter);
    if (model_vocabulary.find(text) == tok::no_token)
      model.refuse(
          "byte_fallback behind a ByteLevel pre-tokenizer is only supported if the "
          "vocabulary has all 256 letters; " +
          in_quotes(text) + " is missing");
  }
}

void Tokenizer::Impl::add_token(const JsonPart& part) {
  part.expect_keys({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  tok::AddedToken token;
  token.content = part.text("content");
  token.single_word = part.flag("single_word");
  token.lstrip = part.flag("lstrip");
  token.rstrip = part.flag("rstrip");
  token.normalized = part.flag("normalized");
  token.special = part.flag("special");
  if (token.content.empty()) part.refuse("content is empty");
  if (token.content.size() > max_added_bytes)
    part.refuse("content of " + std::to_string(token.content.size()) + " bytes, more than " +
                std::to_string(max_added_bytes));
  if (added_by_content.contains(token.content))
    part.refuse(in_quotes(token.content) + " comes twice");
  token.id = model_vocabulary.find(token.content);
  if (token.id == tok::no_token) {
    token.id = static_cast<tok::TokenId>(size());
    ++extra_count;
  }
  const auto id = part.at("id").count();
  if (static_cast<std::uint64_t>(token.id) != id)
    part.at("id").refuse(in_quotes(token.content) + " has id " + std::to_string(id) + ", but " +
                         std::to_string(token.id) +
                         " is its place in the vocabulary (ids have no holes)");
  added.push_back(std::move(token));
  added_by_content.emplace(added.back().content, &added.back());
  added_by_id.emplace(added.back().id, &added.back());
}

void Tokenizer::Impl::read_added_tokens(const JsonPart& list) {
  for (const JsonPart& part : list.elements()) add_token(part);
  index_added_tokens(list.place());
}

void Tokenizer::Impl::index_added_tokens(const std::string& place) {
  std::vector<tok::AddedTokenMatcher::Entry> raw, normalized;
  std::unordered_map<std::string, std::string> seen;
  tok::Section section;
  tok::PatternScratch scratch;
  for (const tok::AddedToken& token : added) {
    if (!token.normalized) {
      raw.push_back({token.content, &token});
      continue;
    }
    section.assign(token.content, {0, static_cast<std::uint32_t>(token.content.size())}, false);
    normalizer.run(section, scratch);
    const std::string text(section.text());
    if (text.empty())
      fail(ExitCode::cannot_load,
           place + ": " + in_quotes(token.content) + " normalizes to nothing");
    if (const auto [other, is_new] = seen.emplace(text, token.content); !is_new)
      fail(ExitCode::cannot_load, place + ": " + in_quotes(token.content) + " and " +
                                      in_quotes(other->second) + " are the same once normalized");
    if (text != token.content) normalized_content.emplace(token.id, text);
    normalized_has_special = normalized_has_special || token.special;
    normalized.push_back({text, &token});
  }
  raw_matcher = tok::AddedTokenMatcher(std::move(raw));
  normalized_matcher = tok::AddedTokenMatcher(std::move(normalized));
}

std::optional<std::string_view> Tokenizer::Impl::decoded_text(std::int32_t id) const {
  if (const auto found = added_by_id.find(id); found != added_by_id.end()) {
    const auto other = normalized_content.find(id);
    return other != normalized_content.end() ? std::string_view(other->second)
                                             : std::string_view(found->second->content);
  }
  if (!model_vocabulary.contains(id)) return std::nullopt;
  return model_vocabulary.text(id);
}

/// The Rust package asks whether what is decoded reads like a special token.
bool Tokenizer::Impl::is_skipped(std::int32_t id) const {
  if (!added_by_id.contains(id)) return false;
  const auto found = added_by_content.find(*decoded_text(id));
  return found != added_by_content.end() && found->second->special;
}

Tokenizer Tokenizer::from_json(std::string_view text, const std::string& name) {
  return Tokenizer(std::make_shared<const Impl>(text, name, true));
}

Tokenizer Tokenizer::from_json_with_pcre2_only(std::string_view text, const std::string& name) {
  return Tokenizer(std::make_shared<const Impl>(text, name, false));
}

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  const std::filesystem::path json = folder / "tokenizer.json", model = folder / "tokenizer.model";
  if (std::filesystem::exists(json))
    return from_json(read_text(json, tok::max_tokenizer_bytes), json.string());
  if (!std::filesystem::exists(model))
    fail(ExitCode::cannot_load,
         folder.string() + ": holds neither tokenizer.json nor tokenizer.model");
  const std::string bytes = read_text(model, tok::max_tokenizer_bytes);
  return from_json(
      tokenizer_json_from_sentencepiece(bytes, model.string(), TokenizerConfig::load(folder)),
      model.string());
}

}  // namespace fg::text
