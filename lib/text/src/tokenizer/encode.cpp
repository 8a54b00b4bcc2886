#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>

#include <fg/base/error.hpp>
#include <fg/base/utf8.hpp>

#include "tokenizer/impl.hpp"
#include "tokenizer/repair.hpp"

namespace fg::text {
namespace {

using tok::Range;
using tok::Section;

constexpr std::size_t max_text_bytes = std::size_t{1} << 30;
constexpr std::size_t max_idle_scratches = 64;

/// One text being encoded.
class Encoder {
public:
  Encoder(const Tokenizer::Impl& tokenizer, std::string_view text, const EncodeOptions& options,
          tok::Scratch& scratch)
      : tokenizer_(tokenizer), text_(text), options_(options), scratch_(scratch) {
    const bool guards_rewritten =
        tokenizer.normalized_has_special || tokenizer.bpe->makes_special();
    tracked_ = options.want_offsets || tokenizer.pre_tokenizer.needs_origins() ||
               (!options.guarded.empty() && guards_rewritten);
    keeps_texts_ = options.want_offsets && tokenizer.post_processor.trims_offsets();
    tokens_.has_offsets = options.want_offsets;
  }

  tok::TokenList run() {
    tokens_.ids.reserve(text_.size() / 4 + 8);
    scratch_.stretches.clear();
    tokenizer_.raw_matcher.cut(text_, barred([](Range place) { return place; }),
                               scratch_.stretches);
    for (const tok::Stretch& stretch : scratch_.stretches) {
      if (stretch.token != nullptr)
        add(stretch.token->id, stretch.range,
            text_.substr(stretch.range.begin, size(stretch.range)));
      else
        add_plain(stretch.range);
    }
    return std::move(tokens_);
  }

private:
  static std::size_t size(Range range) { return range.end - range.begin; }

  bool is_guarded(Range place) const {
    if (tokenizer_.ignores_guards) return false;
    const auto after =
        std::partition_point(options_.guarded.begin(), options_.guarded.end(),
                             [&](const ByteSpan& span) { return span.end <= place.begin; });
    return after != options_.guarded.end() && after->begin < place.end && after->begin < after->end;
  }

  /// Which places special tokens must not take, for places that `to_input` maps into the input.
  template <typename ToInput>
  tok::AddedTokenMatcher::Barred barred(ToInput to_input) const {
    if (tokenizer_.ignores_special) return [](Range) { return true; };
    if (options_.guarded.empty()) return {};
    return [this, to_input](Range place) { return is_guarded(to_input(place)); };
  }

  void add(tok::TokenId id, Range origin, std::string_view text) {
    tokens_.ids.push_back(id);
    if (options_.want_offsets) tokens_.offsets.push_back({origin.begin, origin.end});
    if (keeps_texts_) tokens_.texts.emplace_back(text);
  }

  void add_plain(Range range) {
    Section& section = scratch_.section;
    section.assign(text_, range, tracked_);
    tokenizer_.normalizer.run(section, scratch_.pattern);
    if (tokenizer_.normalized_matcher.is_empty()) return add_section(section);
    std::vector<tok::Stretch>& stretches = scratch_.inner_stretches;
    stretches.clear();
    tokenizer_.normalized_matcher.cut(
        section.text(), barred([&](Range place) { return section.origin(place); }), stretches);
    for (const tok::Stretch& stretch : stretches) {
      if (stretch.token != nullptr) {
        const Range origin = section.has_origins() ? section.origin(stretch.range) : Range{};
        add(stretch.token->id, origin, section.piece_text(stretch.range));
      } else {
        section.copy_part(scratch_.part, stretch.range);
        add_section(scratch_.part);
      }
    }
  }

  void add_section(Section& section) {
    tokenizer_.pre_tokenizer.run(section, scratch_.pattern);
    const bool may_guard = !options_.guarded.empty() && tokenizer_.bpe->makes_special();
    for (const Range piece : section.pieces()) {
      if (piece.begin == piece.end) continue;
      const bool guarded = may_guard && is_guarded(section.origin(piece));
      scratch_.symbols.clear();
      tokenizer_.bpe->encode(section.piece_text(piece), guarded, scratch_.bpe, scratch_.symbols);
      add_symbols(section, piece);
    }
  }

  void add_symbols(const Section& section, Range piece) {
    for (const tok::Symbol& symbol : scratch_.symbols) tokens_.ids.push_back(symbol.id);
    if (!options_.want_offsets) return;
    const bool counts_letters = tokenizer_.bpe->counts_letters();
    if (counts_letters) index_letters(section, piece);
    std::uint32_t at = 0;
    for (const tok::Symbol& symbol : scratch_.symbols) {
      Range bytes{at, at + symbol.length};
      if (counts_letters)
        bytes = {scratch_.letters[bytes.begin].begin, scratch_.letters[bytes.end - 1].end};
      const Range origin = section.origin({piece.begin + bytes.begin, piece.begin + bytes.end});
      tokens_.offsets.push_back({origin.begin, origin.end});
      if (keeps_texts_) tokens_.texts.emplace_back(tokenizer_.model_vocabulary.text(symbol.id));
      at += symbol.length;
    }
  }

  /// For each byte of the piece's text in GPT-2's letters, the byte that the letter stands for.
  void index_letters(const Section& section, Range piece) {
    scratch_.letters.clear();
    std::uint32_t at = 0;
    for (const char c : section.piece_text(piece)) {
      const bool is_wide = tok::byte_letters()[static_cast<unsigned char>(c)] >= 0x80;
      scratch_.letters.insert(scratch_.letters.end(), is_wide ? 2 : 1, Range{at, at + 1});
      ++at;
    }
  }

  const Tokenizer::Impl& tokenizer_;
  std::string_view text_;
  const EncodeOptions& options_;
  tok::Scratch& scratch_;
  bool tracked_ = false;
  bool keeps_texts_ = false;
  tok::TokenList tokens_;
};

}  // namespace

std::unique_ptr<tok::Scratch> tok::ScratchPool::take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Scratch>();
  std::unique_ptr<Scratch> scratch = std::move(idle_.back());
  idle_.pop_back();
  return scratch;
}

void tok::ScratchPool::give_back(std::unique_ptr<Scratch> scratch) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < max_idle_scratches) idle_.push_back(std::move(scratch));
}

Encoding Tokenizer::Impl::encode(std::string_view text, const EncodeOptions& options,
                                 tok::Scratch& scratch) const {
  if (text.size() > max_text_bytes)
    fail(ExitCode::data, "a text of " + std::to_string(text.size()) +
                             " bytes is more than the tokenizer takes at once (1 GiB)");
  std::optional<tok::RepairedText> repaired;
  std::vector<ByteSpan> guarded;
  EncodeOptions actual = options;
  if (find_invalid_utf8(text)) {
    repaired.emplace(text);
    text = repaired->text();
    for (const ByteSpan& span : options.guarded) guarded.push_back(repaired->to_repaired(span));
    actual.guarded = guarded;
  }
  tok::TokenList tokens = Encoder(*this, text, actual, scratch).run();
  post_processor.run(tokens, text, options.add_special_tokens);
  if (repaired)
    for (ByteSpan& span : tokens.offsets) span = repaired->to_original(span);
  return {std::move(tokens.ids), std::move(tokens.offsets)};
}

Encoding Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::unique_ptr<tok::Scratch> scratch = impl_->pool.take();
  Encoding encoding = impl_->encode(text, options, *scratch);
  impl_->pool.give_back(std::move(scratch));
  return encoding;
}

std::vector<Encoding> Tokenizer::encode_batch(std::span<const std::string_view> texts,
                                              const EncodeOptions& options,
                                              unsigned threads) const {
  FG_CHECK(options.guarded.empty());
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  threads =
      static_cast<unsigned>(std::min<std::size_t>(threads, std::max<std::size_t>(texts.size(), 1)));
  std::vector<Encoding> encodings(texts.size());
  std::vector<std::exception_ptr> failures(threads);
  std::atomic<std::size_t> next{0};
  const auto work = [&](unsigned number) {
    try {
      std::unique_ptr<tok::Scratch> scratch = impl_->pool.take();
      for (std::size_t i = 0; (i = next.fetch_add(1)) < texts.size();)
        encodings[i] = impl_->encode(texts[i], options, *scratch);
      impl_->pool.give_back(std::move(scratch));
    } catch (...) {
      failures[number] = std::current_exception();
      next = texts.size();
    }
  };
  {
    std::vector<std::jthread> others;
    for (unsigned number = 1; number < threads; ++number) others.emplace_back(work, number);
    work(0);
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  return encodings;
}

}  // namespace fg::text
