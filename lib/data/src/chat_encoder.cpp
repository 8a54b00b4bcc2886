#include <algorithm>
#include <chrono>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/data/chat_encoder.hpp>
#include <fg/log/log.hpp>
#include <fg/store/hash.hpp>
#include <fg/text/tokenizer_config.hpp>

namespace fg::data {
namespace {

namespace fs = std::filesystem;
using text::ByteSpan;

constexpr std::uint64_t max_template_file = 1 << 20;
// Longer than this, what follows the last message is no end marker.
constexpr std::size_t max_end_marker = 16;

std::map<std::string, std::string> special_tokens_of(const text::TokenizerConfig& config) {
  std::map<std::string, std::string> tokens;
  const auto add = [&](const char* role, const std::optional<std::string>& token) {
    if (token) tokens[role] = *token;
  };
  add("bos_token", config.bos_token);
  add("eos_token", config.eos_token);
  add("unk_token", config.unk_token);
  add("pad_token", config.pad_token);
  return tokens;
}

/// Of the files that `Tokenizer::load` reads, and the special tokens.
std::string hash_of_tokenizer(const fs::path& folder,
                              const std::map<std::string, std::string>& special_tokens) {
  constexpr std::uint64_t most = std::uint64_t{64} << 20;
  store::Hasher hasher;
  const auto add = [&](const char* name) {
    if (!fs::is_regular_file(folder / name)) return false;
    const std::string text = read_text(folder / name, most);
    hasher.update(std::string(name) + " " + std::to_string(text.size()) + "\n");
    hasher.update(text);
    return true;
  };
  if (!add("tokenizer.json"))
    for (const char* name : {"tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
                             "added_tokens.json"})
      add(name);
  for (const auto& [role, token] : special_tokens)
    hasher.update(role + " " + std::to_string(token.size()) + " " + token + "\n");
  return hasher.hex();
}

text::ChatTemplate parse_template_file(const fs::path& path) {
  try {
    return text::ChatTemplate::parse(read_text(path, max_template_file), path.string());
  } catch (const Error& error) {
    fail(ExitCode::usage, error.what());
  }
}

/// The day that Llama 3's templates name where there is no clock.
std::chrono::system_clock::time_point fixed_day() {
  return std::chrono::sys_days(std::chrono::year(2024) / 7 / 26) + std::chrono::hours(12);
}

bool is_space_only(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// Marks tokens that share a byte with one of the spans, both in order.
std::vector<std::uint8_t> tokens_in(const std::vector<ByteSpan>& spans,
                                    const std::vector<ByteSpan>& offsets) {
  std::vector<std::uint8_t> inside(offsets.size(), 0);
  auto span = spans.begin();
  for (std::size_t index = 0; index < offsets.size(); ++index) {
    while (span != spans.end() && span->end <= offsets[index].begin) ++span;
    if (span == spans.end()) break;
    inside[index] = offsets[index].begin < offsets[index].end && span->begin < offsets[index].end;
  }
  return inside;
}

/// How many tokens stand behind the last byte of the messages.
std::size_t count_behind(const text::Rendered& chat, const text::Encoding& encoding) {
  const std::size_t end = chat.from_input.empty() ? 0 : chat.from_input.back().end;
  const auto first = std::find_if(encoding.offsets.rbegin(), encoding.offsets.rend(),
                                  [&](const ByteSpan& span) { return span.begin < end; });
  const auto count = static_cast<std::size_t>(first - encoding.offsets.rbegin());
  return count <= max_end_marker ? count : 0;
}

}  // namespace

ChatEncoder ChatEncoder::load(const fs::path& folder, const fs::path& chat_template) {
  ChatEncoder encoder(text::Tokenizer::load(folder));
  const auto config = text::TokenizerConfig::load(folder);
  encoder.special_tokens_ = special_tokens_of(config);
  if (config.eos_token) encoder.eos_id_ = encoder.tokenizer_.id_of(*config.eos_token);
  encoder.tokenizer_hash_ = hash_of_tokenizer(folder, encoder.special_tokens_);
  if (!chat_template.empty()) {
    encoder.plain_ = parse_template_file(chat_template);
  } else {
    encoder.plain_ = text::load_chat_template(folder, false);
    if (encoder.plain_) encoder.with_tools_ = text::load_chat_template(folder, true);
  }
  if (!encoder.plain_) {
    encoder.plain_ =
        text::ChatTemplate::parse(std::string(builtin_chat_template()), "built-in ChatML");
    if (!encoder.tokenizer_.id_of("<|im_end|>"))
      log::warning(folder.string() +
                   ": has no chat template, so built-in ChatML is used; but its tokenizer does not "
                   "know <|im_end|>, which becomes several plain tokens (fg-convert --add-tokens "
                   "configs/add_tokens/chatml.yaml adds it)");
  }
  const std::string& plain = encoder.plain_->source();
  encoder.template_hash_ =
      store::hash_text(std::to_string(plain.size()) + "\n" + plain +
                       (encoder.with_tools_ ? encoder.with_tools_->source() : std::string()));
  return encoder;
}

const text::ChatTemplate& ChatEncoder::template_for(const text::ChatInput& input) const {
  return !input.tools.is_null() && with_tools_ ? *with_tools_ : *plain_;
}

text::Rendered ChatEncoder::render(text::ChatInput input) const {
  input.special_tokens = special_tokens_;
  return template_for(input).render(input);
}

std::vector<std::int32_t> ChatEncoder::encode(const text::Rendered& chat) const {
  return tokenizer_.encode(chat.text, {.add_special_tokens = false, .guarded = chat.from_input})
      .ids;
}

Encoded ChatEncoder::encode_chat(text::ChatInput input, TrainOn train_on) const {
  input.special_tokens = special_tokens_;
  text::ChatTemplate dated = template_for(input);
  dated.set_clock(fixed_day);
  const text::Rendered chat = dated.render(input);
  text::Encoding encoding = tokenizer_.encode(
      chat.text, {.add_special_tokens = false, .want_offsets = true, .guarded = chat.from_input});
  Encoded result;
  result.end_marker = count_behind(chat, encoding);
  if (train_on == TrainOn::all || fault_planted("data.user_text_trained"))
    result.trained.assign(encoding.ids.size(), 1);
  else
    result.trained = tokens_in(trained_spans(chat, dated, encoding), encoding.offsets);
  result.ids = std::move(encoding.ids);
  return result;
}

std::vector<ByteSpan> ChatEncoder::trained_spans(const text::Rendered& chat,
                                                 const text::ChatTemplate& used,
                                                 const text::Encoding& encoding) const {
  if (used.has_generation()) return chat.generation;
  std::vector<ByteSpan> spans = chat.from_assistant;
  std::size_t index = 0;
  for (ByteSpan& span : spans) {
    // The end marker: the next special token, if nothing but white space stands before it.
    while (index < encoding.ids.size() && encoding.offsets[index].begin < span.end) ++index;
    for (std::size_t next = index; next < encoding.ids.size(); ++next) {
      const ByteSpan& offset = encoding.offsets[next];
      if (!is_space_only(std::string_view(chat.text).substr(span.end, offset.begin - span.end)))
        break;
      if (!tokenizer_.is_special(encoding.ids[next])) continue;
      span.end = offset.end;
      break;
    }
  }
  return spans;
}

Encoded ChatEncoder::encode_text(std::string_view text) const {
  Encoded result;
  result.ids = tokenizer_.encode(text).ids;
  if (eos_id_ && (result.ids.empty() || result.ids.back() != *eos_id_))
    result.ids.push_back(*eos_id_);
  result.trained.assign(result.ids.size(), 1);
  result.end_marker = eos_id_ ? 1 : 0;
  return result;
}

}  // namespace fg::data
