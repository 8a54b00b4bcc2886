#pragma once

#include <string>
#include <string_view>

#include <fg/text/tokenizer_config.hpp>

namespace fg::text {

/// The tokenizer.json that transformers' converter makes of a Llama-like SentencePiece model: BPE
/// with byte fallback, merges derived from the pieces in order of id, Metaspace. `config` names the
/// tokens and says whether bos and eos are added (bos yes, eos no, unless it says). `name` begins
/// every message. Error(cannot_load) if the file is damaged, a Unigram model, a tiktoken
/// vocabulary, or asks for a normalization that is not the identity.
std::string tokenizer_json_from_sentencepiece(std::string_view model_bytes, const std::string& name,
                                              const TokenizerConfig& config = {});

}  // namespace fg::text
