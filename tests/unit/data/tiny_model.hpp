#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <fg/base/file.hpp>
#include <fg/data/chat_encoder.hpp>
#include <fg/data/prepare.hpp>
#include <fg/test/temporary_folder.hpp>

#include "../text/tiny_tokenizer.hpp"

namespace fg::test {

/// A byte-level tokenizer (nearly a token a byte) with ChatML's tokens and <s>, which it adds to
/// plain text, in a folder of its own.
class TinyModel {
public:
  explicit TinyModel(const std::string& chat_template = "") {
    Json tokenizer = tiny_byte_level();
    for (const char* token : {"<s>", "<|im_start|>", "<|im_end|>"}) add_token(tokenizer, token);
    const std::size_t bos = tokenizer["added_tokens"][1]["id"].get<std::size_t>();
    tokenizer["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single",
         {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
          {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
        {"pair", Json::array()},
        {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {bos}}, {"tokens", {"<s>"}}}}}}};
    write_synced(folder_ / "tokenizer.json", tokenizer.dump());
    write_synced(folder_ / "tokenizer_config.json",
                 R"({"bos_token": "<s>", "eos_token": "<|im_end|>"})");
    if (!chat_template.empty()) write_synced(folder_ / "chat_template.jinja", chat_template);
  }

  std::filesystem::path path() const { return folder_.path(); }
  data::ChatEncoder encoder() const { return data::ChatEncoder::load(folder_.path()); }

private:
  TemporaryFolder folder_;
};

inline std::string decoded(const data::ChatEncoder& encoder, const std::vector<std::int32_t>& ids) {
  return encoder.tokenizer().decode(ids, text::SpecialTokens::keep);
}

/// The text of the tokens that are trained, "|" where others stand between.
inline std::string trained_text(const data::ChatEncoder& encoder, const data::Encoded& encoded) {
  std::string text;
  std::vector<std::int32_t> ids;
  for (std::size_t index = 0; index <= encoded.ids.size(); ++index) {
    if (index < encoded.ids.size() && encoded.trained[index] != 0) {
      ids.push_back(encoded.ids[index]);
    } else if (!ids.empty()) {
      text += (text.empty() ? "" : "|") + decoded(encoder, ids);
      ids.clear();
    }
  }
  return text;
}

inline Json message(const std::string& role, const std::string& content) {
  Json value;
  value["role"] = role;
  value["content"] = content;
  return value;
}

/// A file of plain texts: "a", "bb", … of these lengths. With <s> and the end marker each document
/// has two tokens more.
inline std::string lines_of_lengths(const std::vector<std::size_t>& lengths) {
  std::string lines;
  for (std::size_t index = 0; index < lengths.size(); ++index)
    lines += R"({"text": ")" +
             std::string(lengths[index], static_cast<char>('a' + static_cast<char>(index % 26))) +
             "\"}\n";
  return lines;
}

/// The tokens of a file with this text, in a cache of its own.
class PreparedText {
public:
  explicit PreparedText(const std::string& text, data::Options options = {}) {
    write_synced(folder_ / "data.jsonl", text);
    options.sources = {{.path = folder_ / "data.jsonl", .weight = 1.0, .format = {}, .split = {}}};
    options.cache_folder = folder_ / "cache";
    options.show_progress = false;
    set_ = data::prepare(options, model_.encoder());
  }
  const data::TokenSet& set() const { return *set_; }

private:
  TinyModel model_;
  TemporaryFolder folder_;
  std::optional<data::TokenSet> set_;
};

}  // namespace fg::test
