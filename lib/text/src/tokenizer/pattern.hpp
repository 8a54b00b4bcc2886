#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/section.hpp"

namespace fg::text::tok {

/// What matching needs besides the pattern: one for each thread.
class PatternScratch {
public:
  PatternScratch();
  PatternScratch(PatternScratch&&) noexcept;
  ~PatternScratch();

private:
  friend class Pattern;
  struct Handles;
  std::unique_ptr<Handles> handles_;
  std::string substitute_;
};

/// A regular expression of a tokenizer file, written for Oniguruma (Ruby syntax), run by PCRE2 with
/// limits. What the two read differently is refused or translated at load; code points they class
/// differently are matched as their `known_twin`.
class Pattern {
public:
  /// Error(cannot_load), beginning with `where`, if the expression is wrong, not supported, longer
  /// than 16 KiB, or could match the empty text.
  Pattern(const std::string& expression, const std::string& where);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  /// Appends every match in `text` (valid UTF-8), left to right, none overlapping.
  /// Error(data) if a limit of steps is reached.
  void find_all(std::string_view text, PatternScratch& scratch, std::vector<Range>& matches) const;

private:
  struct Code;
  std::unique_ptr<Code> code_;
  std::string where_;
};

/// `expression` as PCRE2 has to be given it. Error(cannot_load) beginning with `where`.
std::string translate_expression(const std::string& expression, const std::string& where);

}  // namespace fg::text::tok
