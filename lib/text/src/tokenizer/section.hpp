#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fg::text::tok {

/// Bytes [begin, end) of the input or of a section's text.
struct Range {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  friend bool operator==(const Range&, const Range&) = default;
};

/// A stretch of the input between two added tokens on its way through normalizers and
/// pre-tokenizers. Its text is valid UTF-8. While no stage has changed it, the text is the input's
/// own bytes and every origin is computed; afterwards each byte's origin is kept if `tracked`.
class Section {
public:
  Section() = default;
  Section(const Section&) = delete;  // the text may lie inside
  Section& operator=(const Section&) = delete;

  /// The text [place.begin, place.end) of `input`, untouched; one piece.
  void assign(std::string_view input, Range place, bool tracked);

  std::string_view text() const { return text_; }
  std::vector<Range>& pieces() { return pieces_; }
  const std::vector<Range>& pieces() const { return pieces_; }
  std::string_view piece_text(Range piece) const {
    return text_.substr(piece.begin, piece.end - piece.begin);
  }

  /// True while the text is the input's own.
  bool is_original() const { return is_original_; }
  /// False if origins were given up (no offsets wanted) and the text is not the input's own.
  bool has_origins() const { return is_original_ || tracked_; }
  bool is_tracked() const { return tracked_; }
  /// Where the section began in the input.
  std::uint32_t base() const { return base_; }

  /// The bytes of the input that the non-empty text [bytes.begin, bytes.end) came from, as whole
  /// code points. Only if `has_origins`.
  Range origin(Range bytes) const;

  /// Rewriting: `begin_rewrite`, then what the new text consists of front to back, then
  /// `end_rewrite`.
  void begin_rewrite(std::size_t expected_size);
  void keep(Range bytes);
  /// New text that shares the origin of the code point at `like` of the old text.
  void insert(std::string_view added, std::uint32_t like);
  /// New text with an origin of its own.
  void insert_at(std::string_view added, Range origin);
  std::uint32_t rewritten_size() const { return static_cast<std::uint32_t>(next_text_.size()); }
  /// `pieces` are of the new text.
  void end_rewrite(std::vector<Range> pieces);

  /// The part [bytes.begin, bytes.end) of this section as a section of one piece.
  void copy_part(Section& part, Range bytes) const;

private:
  std::string_view text_;
  bool is_original_ = true;
  bool tracked_ = false;
  std::uint32_t base_ = 0;
  std::vector<Range> pieces_;
  std::string own_text_, next_text_;
  std::vector<Range> origins_, next_origins_;  // one a byte of own_text_
};

}  // namespace fg::text::tok
