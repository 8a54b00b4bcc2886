#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fg::text::tok {

/// The parts of a SentencePiece model that a tokenizer is made of (sentencepiece_model.proto).
struct SentencePieceModel {
  enum class PieceType : std::uint8_t {
    normal = 1,
    unknown = 2,
    control = 3,
    user_defined = 4,
    unused = 5,
    byte = 6
  };
  struct Piece {
    std::string text;
    PieceType type = PieceType::normal;
  };
  std::vector<Piece> pieces;
  std::uint64_t model_type = 1;  // 1 Unigram, 2 BPE, 3 word, 4 character
  bool byte_fallback = false;
  std::string bos_piece = "<s>", eos_piece = "</s>";
  std::string normalizer_name;
  bool has_character_map = false;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool treat_whitespace_as_suffix = false;
};

/// Reads the protocol buffer; every length is checked against what is left. Error(cannot_load)
/// beginning with `name`.
SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& name);

}  // namespace fg::text::tok
