#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fg/text/byte_span.hpp>

namespace fg::text {

/// The tokens of a text. `offsets`, if asked for, says for each which bytes of the text it came
/// from: whole code points, so tokens that share one overlap; [0, 0) for tokens the post-processor
/// added.
struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<ByteSpan> offsets;
};

struct EncodeOptions {
  /// Also what the file's post-processor adds (bos, for most models).
  bool add_special_tokens = true;
  bool want_offsets = false;
  /// Parts of the text that came from users, ascending and apart: there no special token is
  /// matched, nor does one come out in any other way; what looks like one is tokenized as plain
  /// text.
  std::span<const ByteSpan> guarded = {};
};

enum class SpecialTokens : std::uint8_t { keep, skip };

/// A tokenizer.json of the Llama, Mistral and Qwen families: byte pair encoding, in SentencePiece's
/// dress (byte fallback, Metaspace) or byte level. Equal to the Rust package `tokenizers` 0.23 id
/// for id, offsets and decoding included; what of a file is not supported is refused when it is
/// loaded. Copies share one immutable object; const members may be called from any thread.
class Tokenizer {
public:
  /// From the folder's tokenizer.json; where there is none, from a SentencePiece tokenizer.model
  /// with the special tokens of tokenizer_config.json. Error(cannot_load) naming file and place.
  static Tokenizer load(const std::filesystem::path& folder);
  /// From the text of a tokenizer.json of at most 64 MiB. `name` begins every message.
  static Tokenizer from_json(std::string_view text, const std::string& name);

  /// Text that is not UTF-8 is read with each maximal broken part as U+FFFD. Error(data) for more
  /// than 1 GiB, or if an expression of the file takes too long on it.
  Encoding encode(std::string_view text, const EncodeOptions& options = {}) const;
  /// Each text as `encode` does it, on up to `threads` threads (0: as many as there are cores).
  /// `options.guarded` must be empty.
  std::vector<Encoding> encode_batch(std::span<const std::string_view> texts,
                                     const EncodeOptions& options = {}, unsigned threads = 0) const;

  /// Ids that do not exist are left out. The text is valid UTF-8.
  std::string decode(std::span<const std::int32_t> ids, SpecialTokens special) const;

  /// The id of a token as the file spells it (added tokens first), or nothing.
  std::optional<std::int32_t> id_of(std::string_view token) const;
  /// Valid while the tokenizer or a copy lives.
  std::optional<std::string_view> token_of(std::int32_t id) const;
  /// Model and added tokens together; ids are 0 to this minus one.
  std::size_t vocab_size() const;
  bool is_special(std::int32_t id) const;
  /// Ascending.
  std::vector<std::int32_t> special_ids() const;

  /// For tests: every expression goes to PCRE2, none to the hand-written matchers.
  static Tokenizer from_json_with_pcre2_only(std::string_view text, const std::string& name);

  struct Impl;

private:
  friend class StreamDecoder;
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;  // shared by copies and stream decoders
};

/// Decodes ids one by one. What the calls return, joined, is what Tokenizer::decode gives for all
/// ids; each part is valid UTF-8. Text waits until later ids cannot change it.
class StreamDecoder {
public:
  StreamDecoder(const Tokenizer& tokenizer, SpecialTokens special);
  StreamDecoder(StreamDecoder&&) noexcept;
  ~StreamDecoder();

  std::string push(std::int32_t id);
  /// What still waits. Nothing may be pushed after it.
  std::string finish();

private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fg::text
