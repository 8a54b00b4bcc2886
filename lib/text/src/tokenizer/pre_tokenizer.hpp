#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "tokenizer/json_part.hpp"
#include "tokenizer/known_pattern.hpp"
#include "tokenizer/pattern.hpp"
#include "tokenizer/section.hpp"

namespace fg::text::tok {

/// What becomes of the matches of a Split (SplitDelimiterBehavior of the Rust package).
enum class SplitBehavior : std::uint8_t {
  removed,
  isolated,
  merged_with_previous,
  merged_with_next,
  contiguous
};

enum class PrependScheme : std::uint8_t { always, first, never };

/// The fields that a Metaspace pre-tokenizer and decoder share, old spelling included.
struct Metaspace {
  std::string replacement;
  PrependScheme prepend = PrependScheme::always;
  bool split = true;
};
Metaspace read_metaspace(const JsonPart& part);

/// What a file's `pre_tokenizer` asks for, sequences flattened: Split, Digits, Metaspace,
/// ByteLevel. ByteLevel's mapping of bytes to letters is left to the model, so it must come last.
class PreTokenizer {
public:
  PreTokenizer() = default;
  /// Error(cannot_load) naming what is not supported. `use_known_patterns` false leaves every
  /// expression to PCRE2 (for tests).
  PreTokenizer(const JsonPart& part, bool use_known_patterns);

  bool is_byte_level() const { return is_byte_level_; }
  /// True if a step's result depends on where in the input a piece came from.
  bool needs_origins() const { return needs_origins_; }
  /// The replacement of the one Metaspace, if there is exactly that one step; else empty.
  std::string lone_metaspace() const;

  /// Cuts the section into pieces.
  void run(Section& section, PatternScratch& scratch) const;

private:
  struct Split {
    std::variant<std::string, Pattern, KnownPattern> pattern;
    SplitBehavior behavior = SplitBehavior::isolated;
    bool invert = false;
  };
  struct Digits {
    bool individual = false;
  };
  struct PrefixSpace {};  // of ByteLevel
  using Step = std::variant<Split, Digits, Metaspace, PrefixSpace>;

  void add(const JsonPart& part);
  void add_split(const JsonPart& part);
  void add_byte_level(const JsonPart& part);
  std::variant<std::string, Pattern, KnownPattern> compile(const std::string& expression,
                                                           const std::string& place) const;
  static void apply(const Split& step, Section& section, PatternScratch& scratch);
  static void apply(const Digits& step, Section& section, PatternScratch& scratch);
  static void apply(const Metaspace& step, Section& section, PatternScratch& scratch);
  static void apply(const PrefixSpace& step, Section& section, PatternScratch& scratch);

  std::vector<Step> steps_;
  bool use_known_patterns_ = true;
  bool is_byte_level_ = false;
  bool needs_origins_ = false;
};

}  // namespace fg::text::tok
