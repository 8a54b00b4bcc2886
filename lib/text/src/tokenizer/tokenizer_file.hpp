#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fg/base/json.hpp>

#include "tokenizer/bpe.hpp"
#include "tokenizer/vocabulary.hpp"

namespace fg::text::tok {

inline constexpr std::uint64_t max_tokenizer_bytes = 64 << 20;

/// A tokenizer.json as read: the two big tables apart, everything else as a document.
struct TokenizerFile {
  Json document;                // without model.vocab and model.merges
  bool has_vocabulary = false;  // model.vocab is there and an object
  bool has_merges = false;
  Vocabulary vocabulary;  // of the model; finished
  std::vector<Merge> merges;
};

/// Reads and checks the tables: ids without holes, merges of pieces of the vocabulary into pieces
/// of it. Error(cannot_load), beginning with `name` and the place.
TokenizerFile read_tokenizer_file(std::string_view text, const std::string& name);

}  // namespace fg::text::tok
