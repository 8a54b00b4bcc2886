#pragma once

#include <string>
#include <utility>
#include <vector>

#include <fg/base/json.hpp>

namespace fg::test {

/// A tokenizer.json with this vocabulary (ids in order) and these merges, and nothing else.
inline Json tiny_tokenizer(const std::vector<std::string>& pieces,
                           const std::vector<std::pair<std::string, std::string>>& merges) {
  Json vocab = Json::object(), pairs = Json::array();
  for (std::size_t id = 0; id < pieces.size(); ++id) vocab[pieces[id]] = id;
  for (const auto& [left, right] : merges) pairs.push_back({left, right});
  Json document;
  document["version"] = "1.0";
  document["truncation"] = nullptr;
  document["padding"] = nullptr;
  document["added_tokens"] = Json::array();
  document["normalizer"] = nullptr;
  document["pre_tokenizer"] = nullptr;
  document["post_processor"] = nullptr;
  document["decoder"] = nullptr;
  document["model"] = {{"type", "BPE"}, {"vocab", vocab}, {"merges", pairs}};
  return document;
}

inline void add_token(Json& document, const std::string& content, bool special = true) {
  Json& list = document["added_tokens"];
  const Json& vocab = document["model"]["vocab"];
  std::size_t id = vocab.size();
  for (const Json& token : list) id += vocab.contains(token["content"]) ? 0u : 1u;
  if (vocab.contains(content)) id = vocab[content].get<std::size_t>();
  list.push_back({{"id", id},
                  {"content", content},
                  {"single_word", false},
                  {"lstrip", false},
                  {"rstrip", false},
                  {"normalized", false},
                  {"special", special}});
}

/// Llama's dress: a to e, ▁, byte tokens, some merges; special tokens <s> and </s>.
inline Json tiny_llama() {
  std::vector<std::string> pieces = {"<unk>", "<s>", "</s>"};
  constexpr const char* digits = "0123456789ABCDEF";
  for (unsigned byte = 0; byte < 256; ++byte)
    pieces.push_back(std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + ">");
  for (const char* piece : {"▁", "a", "b", "c", "d", "e", "<", ">", "s", "/", "ab", "▁a", "▁ab",
                            "cd", "bc", "▁abc", "▁▁"})
    pieces.emplace_back(piece);
  Json document = tiny_tokenizer(pieces, {{"▁", "▁"},
                                          {"▁", "a"},
                                          {"a", "b"},
                                          {"▁a", "b"},
                                          {"▁", "ab"},
                                          {"c", "d"},
                                          {"b", "c"},
                                          {"▁ab", "c"}});
  document["model"]["byte_fallback"] = true;
  document["model"]["fuse_unk"] = true;
  document["model"]["unk_token"] = "<unk>";
  document["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}, {"split", false}};
  document["decoder"] = Json::parse(
      R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},)"
      R"({"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})");
  for (const char* token : {"<unk>", "<s>", "</s>"}) add_token(document, token);
  return document;
}

/// Byte level with GPT-2's expression, all 256 letters, and the special token <|end|>.
inline Json tiny_byte_level() {
  std::vector<std::string> pieces;
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool plain = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    const char32_t letter = plain ? byte : next++;
    std::string text;
    if (letter < 0x80) {
      text += static_cast<char>(letter);
    } else {
      text += static_cast<char>(0xC0 | (letter >> 6));
      text += static_cast<char>(0x80 | (letter & 0x3F));
    }
    pieces.push_back(text);
  }
  pieces.insert(pieces.end(), {"ab", "Ġa", "Ġab", "cd"});
  Json document = tiny_tokenizer(pieces, {{"a", "b"}, {"Ġ", "a"}, {"Ġ", "ab"}, {"c", "d"}});
  const Json level = {{"type", "ByteLevel"},
                      {"add_prefix_space", false},
                      {"trim_offsets", true},
                      {"use_regex", true}};
  document["pre_tokenizer"] = level;
  document["decoder"] = level;
  add_token(document, "<|end|>");
  return document;
}

}  // namespace fg::test
