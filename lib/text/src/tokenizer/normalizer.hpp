#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tokenizer/json_part.hpp"
#include "tokenizer/normal_form.hpp"
#include "tokenizer/pattern.hpp"
#include "tokenizer/section.hpp"

namespace fg::text::tok {

/// A file's `pattern` object: {"String": ...} or {"Regex": ...}.
std::variant<std::string, Pattern> read_pattern(const JsonPart& part);

/// Appends every occurrence of `needle` (not empty) in `text`, left to right, none overlapping.
void find_text(std::string_view text, std::string_view needle, std::vector<Range>& matches);

/// What a file's `normalizer` asks for, sequences flattened: Prepend, Replace, NFC, NFD, NFKC,
/// NFKD.
class Normalizer {
public:
  Normalizer() = default;
  /// Error(cannot_load) naming what is not supported.
  explicit Normalizer(const JsonPart& part);

  bool is_empty() const { return steps_.empty(); }
  /// The section must not have been cut into pieces; afterwards it is one piece.
  void run(Section& section, PatternScratch& scratch) const;

private:
  struct Prepend {
    std::string text;
  };
  struct Replace {
    std::variant<std::string, Pattern> pattern;
    std::string content;
  };
  using Step = std::variant<Prepend, Replace, NormalForm>;

  void add(const JsonPart& part);
  static void apply(const Prepend& step, Section& section, PatternScratch& scratch);
  static void apply(const Replace& step, Section& section, PatternScratch& scratch);
  static void apply(NormalForm form, Section& section, PatternScratch& scratch);

  std::vector<Step> steps_;
};

}  // namespace fg::text::tok
