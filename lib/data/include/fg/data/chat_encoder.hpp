#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fg/data/options.hpp>
#include <fg/text/chat_template.hpp>
#include <fg/text/tokenizer.hpp>

namespace fg::data {

/// The ChatML template that is used where neither a file nor the model has one: the text of
/// configs/chat_templates/chatml.jinja.
std::string_view builtin_chat_template();

/// A text's tokens and what is trained of them.
struct Encoded {
  std::vector<std::int32_t> ids;
  std::vector<std::uint8_t> trained;  // one a token: 0 or 1
  /// How many tokens at the end are what the template (or eos) put behind the last message.
  std::size_t end_marker = 0;
};

/// A model's tokenizer and chat template together: conversations and texts to ids. The one place
/// that knows how text from messages is kept from becoming control tokens. Const members may be
/// called from any thread.
class ChatEncoder {
public:
  /// From a model folder. `chat_template`: a file instead of the folder's own template, or empty;
  /// without both the built-in one. Error(cannot_load); Error(usage) for a template file that is
  /// missing or cannot be parsed.
  static ChatEncoder load(const std::filesystem::path& folder,
                          const std::filesystem::path& chat_template = {});
  /// `input.special_tokens` is filled in. TemplateError(data) where the template refuses.
  text::Rendered render(text::ChatInput input) const;

  /// The ids of a rendered conversation: special tokens only where the template put them, nothing
  /// added by the post-processor. Without such strings in the input equal to transformers'
  /// apply_chat_template.
  std::vector<std::int32_t> encode(const text::Rendered& chat) const;
  /// The same with what is trained. Messages of role "assistant" count as the assistant's; where
  /// the template has {% generation %}, its spans decide instead (as return_assistant_tokens_mask
  /// does). strftime_now gives one fixed day, so that the tokens are the same on any.
  Encoded encode_chat(text::ChatInput input, TrainOn train_on) const;
  /// Plain text with what the tokenizer adds (bos), and eos at the end. All of it is trained.
  Encoded encode_text(std::string_view text) const;

  const text::Tokenizer& tokenizer() const noexcept { return tokenizer_; }
  std::optional<std::int32_t> eos_id() const { return eos_id_; }
  /// Where the template came from: a path, or "built-in ChatML".
  const std::string& template_name() const { return plain_->name(); }
  /// Hash of all that decides the ids of a text (tokenizer files, special tokens), and of the
  /// template's text: for the cache, for resuming, for comparing ranks.
  const std::string& tokenizer_hash() const noexcept { return tokenizer_hash_; }
  const std::string& template_hash() const noexcept { return template_hash_; }

private:
  explicit ChatEncoder(text::Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}
  const text::ChatTemplate& template_for(const text::ChatInput& input) const;
  std::vector<text::ByteSpan> trained_spans(const text::Rendered& chat,
                                            const text::ChatTemplate& used,
                                            const text::Encoding& encoding) const;

  text::Tokenizer tokenizer_;
  std::optional<text::ChatTemplate> plain_;            // always there once loaded
  std::optional<text::ChatTemplate> with_tools_;       // absent: `plain_` serves
  std::map<std::string, std::string> special_tokens_;  // "bos_token" → "<s>", …
  std::optional<std::int32_t> eos_id_;
  std::string tokenizer_hash_, template_hash_;
};

}  // namespace fg::data
