#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <fg/text/tokenizer.hpp>

#include "tokenizer/added_tokens.hpp"
#include "tokenizer/bpe.hpp"
#include "tokenizer/decoder.hpp"
#include "tokenizer/normalizer.hpp"
#include "tokenizer/post_processor.hpp"
#include "tokenizer/pre_tokenizer.hpp"
#include "tokenizer/tokenizer_file.hpp"

namespace fg::text::tok {

/// Everything one thread needs to encode.
struct Scratch {
  PatternScratch pattern;
  BpeScratch bpe;
  Section section, part;
  std::vector<Stretch> stretches, inner_stretches;
  std::vector<Symbol> symbols;
  std::vector<Range> letters;  // for models that leave characters out
};

/// Scratches for reuse, so that their word caches stay warm.
class ScratchPool {
public:
  std::unique_ptr<Scratch> take();
  void give_back(std::unique_ptr<Scratch> scratch);

private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> idle_;
};

}  // namespace fg::text::tok

namespace fg::text {

struct Tokenizer::Impl {
  Impl(std::string_view text, const std::string& name, bool use_known_patterns);

  std::size_t size() const { return model_vocabulary.size() + extra_count; }
  /// What an id stands for when decoding, or nothing.
  std::optional<std::string_view> decoded_text(std::int32_t id) const;
  bool is_skipped(std::int32_t id) const;
  Encoding encode(std::string_view text, const EncodeOptions& options, tok::Scratch& scratch) const;

  tok::Vocabulary model_vocabulary;
  std::deque<tok::AddedToken> added;  // addresses stay
  std::size_t extra_count = 0;        // of added tokens that the model does not have
  std::unordered_map<std::string_view, const tok::AddedToken*> added_by_content;
  std::unordered_map<std::int32_t, const tok::AddedToken*> added_by_id;
  std::unordered_map<std::int32_t, std::string> normalized_content;  // where it differs
  tok::Normalizer normalizer;
  tok::PreTokenizer pre_tokenizer;
  tok::PostProcessor post_processor;
  tok::Decoder decoder;
  tok::AddedTokenMatcher raw_matcher, normalized_matcher;
  bool normalized_has_special = false;
  bool ignores_special = false;  // planted faults of the tests
  bool ignores_guards = false;
  std::optional<tok::Bpe> bpe;  // refers to model_vocabulary

  mutable tok::ScratchPool pool;

private:
  void read_model(const tok::JsonPart& model, tok::TokenizerFile& file);
  void read_added_tokens(const tok::JsonPart& list);
  void add_token(const tok::JsonPart& part);
  void index_added_tokens(const std::string& place);

  tok::BpeSettings settings_;
};

}  // namespace fg::text
