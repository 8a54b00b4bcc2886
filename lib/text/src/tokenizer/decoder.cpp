#include "tokenizer/decoder.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <fg/base/utf8.hpp>

#include "tokenizer/bpe.hpp"
#include "tokenizer/normalizer.hpp"
#include "tokenizer/pre_tokenizer.hpp"
#include "tokenizer/utf8_scan.hpp"

namespace fg::text::tok {
namespace {

class AppendStage final : public DecodeStage {
public:
  explicit AppendStage(std::string& text) : text_(text) {}
  void push(std::string_view part, bool) override { text_ += part; }
  void finish() override {}

private:
  std::string& text_;
};

class JoinStage final : public DecodeStage {
public:
  explicit JoinStage(DecodeStage& next) : next_(next) {}
  void push(std::string_view part, bool ends) override {
    if (any_) next_.push(" ", false);
    any_ = true;
    next_.push(part, ends);
  }
  void finish() override { next_.finish(); }

private:
  DecodeStage& next_;
  bool any_ = false;
};

/// Makes one token of all.
class FuseStage final : public DecodeStage {
public:
  explicit FuseStage(DecodeStage& next) : next_(next) {}
  void push(std::string_view part, bool) override { next_.push(part, false); }
  void finish() override {
    next_.push({}, true);
    next_.finish();
  }

private:
  DecodeStage& next_;
};

/// Replaces a text of fixed bytes. What could be the beginning of one at the end of a part waits.
class ReplaceTextStage final : public DecodeStage {
public:
  ReplaceTextStage(const std::string& pattern, const std::string& content, DecodeStage& next)
      : pattern_(pattern), content_(content), next_(next) {}

  void push(std::string_view part, bool ends) override {
    waiting_ += part;
    std::string replaced;
    std::size_t at = 0;
    for (std::size_t found = 0; (found = waiting_.find(pattern_, at)) != std::string::npos;
         at = found + pattern_.size()) {
      replaced.append(waiting_, at, found - at);
      replaced += content_;
    }
    const std::size_t rest = ends ? waiting_.size() : begin_of_pattern(at);
    replaced.append(waiting_, at, rest - at);
    waiting_.erase(0, rest);
    if (ends || !replaced.empty()) next_.push(replaced, ends);
  }
  void finish() override { next_.finish(); }

private:
  /// Where in waiting_, from `at` on, the longest end begins that the pattern could go on from.
  std::size_t begin_of_pattern(std::size_t at) const {
    const std::size_t size = waiting_.size();
    std::size_t begin = size - std::min(size - at, pattern_.size() - 1);
    while (begin < size && pattern_.compare(0, size - begin, waiting_, begin) != 0) ++begin;
    return begin;
  }

  const std::string& pattern_;
  const std::string& content_;
  DecodeStage& next_;
  std::string waiting_;
};

/// Holds a token until it is whole, for steps that look at all of it.
class WholeTokenStage : public DecodeStage {
public:
  explicit WholeTokenStage(DecodeStage& next) : next_(next) {}
  void push(std::string_view part, bool ends) override {
    if (ends && waiting_.empty()) return take(part);
    waiting_ += part;
    if (!ends) return;
    const std::string token = std::exchange(waiting_, {});
    take(token);
  }
  void finish() override { next_.finish(); }

protected:
  virtual void take(std::string_view token) = 0;
  DecodeStage& next_;

private:
  std::string waiting_;
};

class ReplacePatternStage final : public WholeTokenStage {
public:
  ReplacePatternStage(const Pattern& pattern, const std::string& content, DecodeStage& next)
      : WholeTokenStage(next), pattern_(pattern), content_(content) {}

protected:
  void take(std::string_view token) override {
    matches_.clear();
    pattern_.find_all(token, scratch_, matches_);
    std::string replaced;
    std::size_t at = 0;
    for (const Range match : matches_) {
      replaced += token.substr(at, match.begin - at);
      replaced += content_;
      at = match.end;
    }
    replaced += token.substr(at);
    next_.push(replaced, true);
  }

private:
  const Pattern& pattern_;
  const std::string& content_;
  PatternScratch scratch_;
  std::vector<Range> matches_;
};

/// Turns runs of <0x..> tokens into text. Whether a run is UTF-8 shows only at its end, and if it
/// is not, each of its bytes is replaced: so a run waits until it ends.
class ByteFallbackStage final : public WholeTokenStage {
public:
  using WholeTokenStage::WholeTokenStage;
  void finish() override {
    flush();
    next_.finish();
  }

protected:
  void take(std::string_view token) override {
    if (const auto byte = byte_of(token)) {
      bytes_ += *byte;
      return;
    }
    flush();
    next_.push(token, true);
  }

private:
  static std::optional<char> byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
    const auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    // Rust's number reader takes a plus sign.
    const int high = token[3] == '+' ? 0 : digit(token[3]);
    const int low = digit(token[4]);
    if (high < 0 || low < 0) return std::nullopt;
    return static_cast<char>(high * 16 + low);
  }

  void flush() {
    if (bytes_.empty()) return;
    const std::string bytes = std::exchange(bytes_, {});
    if (!find_invalid_utf8(bytes)) return next_.push(bytes, true);
    for (std::size_t i = 0; i < bytes.size(); ++i) next_.push("\xEF\xBF\xBD", true);
  }

  std::string bytes_;
};

/// Takes up to `start` characters off the front of each token and up to `stop` off its end.
class StripStage final : public DecodeStage {
public:
  StripStage(const std::string& content, std::uint64_t start, std::uint64_t stop, DecodeStage& next)
      : content_(content), start_(start), stop_(stop), next_(next) {}

  void push(std::string_view part, bool ends) override {
    while (taken_ < start_ && part.starts_with(content_)) {
      part.remove_prefix(content_.size());
      ++taken_;
    }
    if (!part.empty()) taken_ = start_;
    std::size_t body = part.size();
    std::uint64_t trailing = 0;
    while (part.substr(0, body).ends_with(content_) && stop_ > 0) {
      body -= content_.size();
      ++trailing;
    }
    if (body > 0) release(waiting_);
    next_.push(part.substr(0, body), false);
    waiting_ += trailing;
    if (waiting_ > stop_) release(waiting_ - stop_);
    if (!ends) return;
    taken_ = waiting_ = 0;
    next_.push({}, true);
  }
  void finish() override { next_.finish(); }

private:
  void release(std::uint64_t count) {
    waiting_ -= count;
    for (; count > 0; --count) next_.push(content_, false);
  }

  const std::string& content_;
  std::uint64_t start_, stop_;
  DecodeStage& next_;
  std::uint64_t taken_ = 0;
  std::uint64_t waiting_ = 0;  // of content_, at the end of what came so far
};

/// Turns GPT-2's letters back into bytes; a token with any other character stands for itself.
class ByteLevelStage final : public WholeTokenStage {
public:
  using WholeTokenStage::WholeTokenStage;
  void finish() override {
    std::string text;
    append_lossy(text, rest_, false);
    rest_.clear();
    next_.push(text, true);
    next_.finish();
  }

protected:
  void take(std::string_view token) override {
    const std::size_t before = rest_.size();
    std::size_t length = 0;
    for (std::size_t at = 0; at < token.size(); at += length) {
      const char32_t letter = scan_utf8(token, at, length);
      const int byte = letter < byte_of_letter().size() ? byte_of_letter()[letter] : -1;
      if (byte < 0) {
        rest_.replace(before, std::string::npos, token);
        break;
      }
      rest_ += static_cast<char>(byte);
    }
    std::string text;
    const std::size_t kept = append_lossy(text, rest_, true);
    rest_.erase(0, rest_.size() - kept);
    if (!text.empty()) next_.push(text, false);
  }

private:
  static const std::array<std::int16_t, 0x144>& byte_of_letter() {
    static const std::array<std::int16_t, 0x144> bytes = [] {
      std::array<std::int16_t, 0x144> made{};
      made.fill(-1);
      for (std::size_t byte = 0; byte < 256; ++byte)
        made[byte_letters()[byte]] = static_cast<std::int16_t>(byte);
      return made;
    }();
    return bytes;
  }

  std::string rest_;  // bytes of a code point not whole yet
};

class MetaspaceStage final : public DecodeStage {
public:
  MetaspaceStage(const std::string& replacement, bool drops_first, DecodeStage& next)
      : replacement_(replacement), drops_(drops_first), next_(next) {}

  void push(std::string_view part, bool ends) override {
    std::string text;
    std::size_t length = 0;
    for (std::size_t at = 0; at < part.size(); at += length) {
      scan_utf8(part, at, length);
      const std::string_view character = part.substr(at, length);
      if (character != replacement_)
        text += character;
      else if (!drops_)
        text += ' ';
    }
    if (ends) drops_ = false;
    next_.push(text, ends);
  }
  void finish() override { next_.finish(); }

private:
  const std::string& replacement_;
  bool drops_;  // still in the first token
  DecodeStage& next_;
};

}  // namespace

Decoder::Decoder(const JsonPart& part) : joins_(false) {
  add(part);
}

void Decoder::add(const JsonPart& part) {
  const std::string type = part.text("type");
  if (type == "Sequence") {
    part.expect_keys({"type", "decoders"});
    for (const JsonPart& step : part.at("decoders").elements()) add(step);
  } else if (type == "Replace") {
    part.expect_keys({"type", "pattern", "content"});
    steps_.emplace_back(Replace{read_pattern(part.at("pattern")), part.text("content")});
  } else if (type == "ByteFallback") {
    part.expect_keys({"type"});
    steps_.emplace_back(ByteFallback{});
  } else if (type == "Fuse") {
    part.expect_keys({"type"});
    steps_.emplace_back(Fuse{});
  } else if (type == "Strip") {
    part.expect_keys({"type", "content", "start", "stop"});
    steps_.emplace_back(Strip{one_code_point(part.at("content")), part.at("start").count(),
                              part.at("stop").count()});
  } else if (type == "ByteLevel") {
    part.expect_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    steps_.emplace_back(ByteLevel{});
  } else if (type == "Metaspace") {
    const tok::Metaspace read = read_metaspace(part);
    steps_.emplace_back(Metaspace{read.replacement, read.prepend != PrependScheme::never});
  } else {
    part.refuse("decoder '" + type + "' is not supported");
  }
}

std::unique_ptr<DecodeStage> Decoder::start(const Step& step, DecodeStage& next) {
  if (const auto* replace = std::get_if<Replace>(&step)) {
    if (const auto* text = std::get_if<std::string>(&replace->pattern))
      return std::make_unique<ReplaceTextStage>(*text, replace->content, next);
    return std::make_unique<ReplacePatternStage>(std::get<Pattern>(replace->pattern),
                                                 replace->content, next);
  }
  if (const auto* strip = std::get_if<Strip>(&step))
    return std::make_unique<StripStage>(strip->content, strip->start, strip->stop, next);
  if (const auto* metaspace = std::get_if<Metaspace>(&step))
    return std::make_unique<MetaspaceStage>(metaspace->replacement, metaspace->drops_first, next);
  if (std::holds_alternative<ByteFallback>(step)) return std::make_unique<ByteFallbackStage>(next);
  if (std::holds_alternative<Fuse>(step)) return std::make_unique<FuseStage>(next);
  if (std::holds_alternative<ByteLevel>(step)) return std::make_unique<ByteLevelStage>(next);
  return std::make_unique<JoinStage>(next);
}

Decoder::Run::Run(const Decoder& decoder, std::string& text) {
  stages_.push_back(std::make_unique<AppendStage>(text));
  if (decoder.joins_) stages_.push_back(start(JoinByBlanks{}, *stages_.back()));
  for (std::size_t i = decoder.steps_.size(); i-- > 0;)
    stages_.push_back(start(decoder.steps_[i], *stages_.back()));
}

}  // namespace fg::text::tok
