#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fg/text/byte_span.hpp>

namespace fg::text::tok {

/// A text made valid UTF-8: each maximal broken part is U+FFFD. Maps places both ways.
class RepairedText {
public:
  explicit RepairedText(std::string_view broken);

  const std::string& text() const { return text_; }
  /// Bytes of the repaired text as bytes of the broken one.
  ByteSpan to_original(ByteSpan span) const;
  /// The other way; what touches a broken part takes in all of its U+FFFD.
  ByteSpan to_repaired(ByteSpan span) const;

private:
  /// A broken part: where its U+FFFD begins, and where it began and ended.
  struct Patch {
    std::size_t repaired, begin, end;
  };
  std::string text_;
  std::vector<Patch> patches_;
};

}  // namespace fg::text::tok
