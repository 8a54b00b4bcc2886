#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include <fg/text/byte_span.hpp>

#include "tokenizer/json_part.hpp"
#include "tokenizer/vocabulary.hpp"

namespace fg::text::tok {

/// The tokens of a text on their way through the post-processors.
struct TokenList {
  std::vector<TokenId> ids;
  bool has_offsets = false;
  std::vector<ByteSpan> offsets;   // as many as ids, or none
  std::vector<std::string> texts;  // what each token spells; filled only for trimming
};

/// What a file's `post_processor` asks for, sequences flattened: TemplateProcessing (its `single`
/// half) and ByteLevel (which trims blanks off the offsets).
class PostProcessor {
public:
  PostProcessor() = default;
  /// Ids must be below `vocabulary_size`.
  PostProcessor(const JsonPart& part, std::size_t vocabulary_size);

  bool trims_offsets() const;
  /// `text` is the input that the offsets are of.
  void run(TokenList& tokens, std::string_view text, bool add_special) const;

private:
  struct Trim {
    bool add_prefix_space;
  };
  struct Special {
    std::vector<TokenId> ids;
    std::vector<std::string> texts;
  };
  /// The pieces in order; an empty one is the text.
  struct Template {
    std::vector<Special> pieces;
  };

  void add(const JsonPart& part, std::size_t vocabulary_size);
  static Template read_template(const JsonPart& part, std::size_t vocabulary_size);
  static void apply(const Trim& trim, TokenList& tokens, std::string_view text);
  static void apply(const Template& shape, TokenList& tokens, bool add_special);

  std::vector<std::variant<Trim, Template>> steps_;
};

}  // namespace fg::text::tok
