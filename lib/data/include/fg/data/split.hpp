#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fg::data {

/// A part of a data set: "train", "train[:95%]", "train[95%:]", "[10:200]", "held_out[-5%:]".
/// Bounds are records (from 0, the end not included) or per cent; negative ones count from the end.
/// A bound in per cent is the nearest whole record (half to even, as in the package `datasets`), so
/// [:95%] and [95%:] together are everything, once.
class Split {
public:
  /// Error(usage) that shows the text and what is wanted.
  static Split parse(std::string_view text);

  /// What stands before the bracket; empty: no name.
  const std::string& name() const noexcept { return name_; }

  struct Range {
    std::size_t begin = 0, end = 0;
  };
  /// The records it takes of `records`. Error(data) if a bound lies outside, or begin > end;
  /// `place` begins the message.
  Range of(std::size_t records, const std::string& place) const;

private:
  struct Bound {
    double value = 0;
    bool per_cent = false;
  };
  static std::optional<Bound> parse_bound(std::string_view text, std::string_view whole);

  std::string text_, name_;
  std::optional<Bound> begin_, end_;
};

}  // namespace fg::data
