#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/json_part.hpp"
#include "tokenizer/pattern.hpp"

namespace fg::text::tok {

/// One step of decoding as it runs: takes tokens in parts, hands on tokens in parts. Parts are
/// whole code points.
class DecodeStage {
public:
  virtual ~DecodeStage() = default;
  /// More of the current token; `ends` if the token ends with it.
  virtual void push(std::string_view part, bool ends) = 0;
  /// No token follows.
  virtual void finish() = 0;
};

/// What a file's `decoder` asks for, sequences flattened: Replace, ByteFallback, Fuse, Strip,
/// ByteLevel, Metaspace. Without one, tokens are joined by blanks.
class Decoder {
public:
  Decoder() = default;
  explicit Decoder(const JsonPart& part);
  Decoder(Decoder&&) = default;
  Decoder& operator=(Decoder&&) = default;

  /// A fresh chain of stages that appends the decoded text to `text`. It refers to this decoder.
  class Run {
  public:
    Run(const Decoder& decoder, std::string& text);
    void push(std::string_view token) { stages_.back()->push(token, true); }
    void finish() { stages_.back()->finish(); }

  private:
    std::vector<std::unique_ptr<DecodeStage>> stages_;  // the last one first
  };

private:
  struct Replace {
    std::variant<std::string, Pattern> pattern;
    std::string content;
  };
  struct ByteFallback {};
  struct Fuse {};
  struct Strip {
    std::string content;
    std::uint64_t start = 0, stop = 0;
  };
  struct ByteLevel {};
  struct Metaspace {
    std::string replacement;
    bool drops_first = true;
  };
  struct JoinByBlanks {};
  using Step = std::variant<Replace, ByteFallback, Fuse, Strip, ByteLevel, Metaspace, JoinByBlanks>;

  void add(const JsonPart& part);
  static std::unique_ptr<DecodeStage> start(const Step& step, DecodeStage& next);

  std::vector<Step> steps_;
  bool joins_ = true;
};

/// `bytes` with every maximal part that is no UTF-8 replaced by U+FFFD (as Rust's from_utf8_lossy).
/// With `keep_incomplete_end` a code point that is only cut short stays out; the size of that rest
/// is returned.
std::size_t append_lossy(std::string& text, std::string_view bytes, bool keep_incomplete_end);

/// The length of the maximal broken part that `bytes` begin with: what could have begun a code
/// point, at least one byte. `bytes` must not begin with a whole code point.
std::size_t broken_length(std::string_view bytes);

}  // namespace fg::text::tok
