#include "tokenizer/sentencepiece_model.hpp"

#include <optional>

#include <fg/base/error.hpp>
#include <fg/base/utf8.hpp>

namespace fg::text::tok {
namespace {

constexpr std::size_t max_pieces = 4'000'000;

/// The fields of one protocol buffer message, front to back.
class Fields {
public:
  Fields(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  /// Moves to the next field; false at the end.
  bool next() {
    if (bytes_.empty()) return false;
    const std::uint64_t tag = take_varint();
    number_ = tag >> 3;
    switch (tag & 7) {
      case 0:
        value_ = take_varint();
        return true;
      case 1:
        data_ = take(8);
        return true;
      case 2:
        data_ = take(take_varint());
        return true;
      case 5:
        data_ = take(4);
        return true;
      default:
        damaged("a field of wire type " + std::to_string(tag & 7));
    }
  }

  std::uint64_t number() const { return number_; }
  std::uint64_t value() const { return value_; }
  std::string_view data() const { return data_; }

  [[noreturn]] void damaged(const std::string& what) const {
    fail(ExitCode::cannot_load, name_ + ": no whole SentencePiece model: " + what);
  }

private:
  std::uint64_t take_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    damaged("a number of more than 64 bits");
  }

  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size())
      damaged("a field of " + std::to_string(size) + " bytes where " +
              std::to_string(bytes_.size()) + " are left");
    const std::string_view taken = bytes_.substr(0, static_cast<std::size_t>(size));
    bytes_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view bytes_;
  const std::string& name_;
  std::uint64_t number_ = 0;
  std::uint64_t value_ = 0;
  std::string_view data_;
};

SentencePieceModel::Piece read_piece(std::string_view bytes, const std::string& name) {
  SentencePieceModel::Piece piece;
  Fields fields(bytes, name);
  while (fields.next()) {
    if (fields.number() == 1) piece.text = fields.data();
    if (fields.number() != 3) continue;
    if (fields.value() < 1 || fields.value() > 6)
      fields.damaged("a piece of type " + std::to_string(fields.value()));
    piece.type = static_cast<SentencePieceModel::PieceType>(fields.value());
  }
  if (piece.text.empty() || find_invalid_utf8(piece.text))
    fields.damaged("a piece that is empty or not UTF-8");
  return piece;
}

void read_trainer(SentencePieceModel& model, std::string_view bytes, const std::string& name) {
  Fields fields(bytes, name);
  while (fields.next()) {
    if (fields.number() == 3) model.model_type = fields.value();
    if (fields.number() == 24) model.treat_whitespace_as_suffix = fields.value() != 0;
    if (fields.number() == 35) model.byte_fallback = fields.value() != 0;
    if (fields.number() == 46) model.bos_piece = fields.data();
    if (fields.number() == 47) model.eos_piece = fields.data();
  }
}

void read_normalizer(SentencePieceModel& model, std::string_view bytes, const std::string& name) {
  Fields fields(bytes, name);
  while (fields.next()) {
    if (fields.number() == 1) model.normalizer_name = fields.data();
    if (fields.number() == 2) model.has_character_map = !fields.data().empty();
    if (fields.number() == 3) model.add_dummy_prefix = fields.value() != 0;
    if (fields.number() == 4) model.remove_extra_whitespaces = fields.value() != 0;
    if (fields.number() == 5) model.escape_whitespaces = fields.value() != 0;
  }
}

}  // namespace

SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& name) {
  SentencePieceModel model;
  Fields fields(bytes, name);
  while (fields.next()) {
    if (fields.number() == 1) {
      if (model.pieces.size() == max_pieces) fields.damaged("more than 4000000 pieces");
      model.pieces.push_back(read_piece(fields.data(), name));
    }
    if (fields.number() == 2) read_trainer(model, fields.data(), name);
    if (fields.number() == 3) read_normalizer(model, fields.data(), name);
  }
  if (model.pieces.empty()) fields.damaged("it has no pieces");
  return model;
}

}  // namespace fg::text::tok
