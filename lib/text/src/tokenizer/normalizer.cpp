#include "tokenizer/normalizer.hpp"

#include <utility>

namespace fg::text::tok {

std::variant<std::string, Pattern> read_pattern(const JsonPart& part) {
  part.expect_keys({"String", "Regex"});
  const auto text = part.find("String");
  const auto regex = part.find("Regex");
  if (text.has_value() == regex.has_value()) part.refuse("expected one of String and Regex");
  if (regex) return Pattern(regex->text(), regex->place());
  if (text->text().empty()) text->refuse("an empty pattern is not supported");
  return text->text();
}

void find_text(std::string_view text, std::string_view needle, std::vector<Range>& matches) {
  for (std::size_t at = text.find(needle); at != std::string_view::npos;
       at = text.find(needle, at + needle.size()))
    matches.push_back(
        {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + needle.size())});
}

Normalizer::Normalizer(const JsonPart& part) {
  add(part);
}

void Normalizer::add(const JsonPart& part) {
  constexpr std::pair<std::string_view, NormalForm> forms[] = {{"NFC", NormalForm::nfc},
                                                               {"NFD", NormalForm::nfd},
                                                               {"NFKC", NormalForm::nfkc},
                                                               {"NFKD", NormalForm::nfkd}};
  const std::string type = part.text("type");
  for (const auto& [name, form] : forms) {
    if (type != name) continue;
    part.expect_keys({"type"});
    steps_.emplace_back(form);
    return;
  }
  if (type == "Sequence") {
    part.expect_keys({"type", "normalizers"});
    for (const JsonPart& step : part.at("normalizers").elements()) add(step);
  } else if (type == "Prepend") {
    part.expect_keys({"type", "prepend"});
    steps_.emplace_back(Prepend{part.text("prepend")});
  } else if (type == "Replace") {
    part.expect_keys({"type", "pattern", "content"});
    steps_.emplace_back(Replace{read_pattern(part.at("pattern")), part.text("content")});
  } else {
    part.refuse("normalizer '" + type + "' is not supported");
  }
}

void Normalizer::run(Section& section, PatternScratch& scratch) const {
  for (const Step& step : steps_)
    std::visit([&](const auto& kind) { apply(kind, section, scratch); }, step);
}

void Normalizer::apply(const Prepend& step, Section& section, PatternScratch&) {
  if (section.text().empty()) return;
  const auto size = static_cast<std::uint32_t>(section.text().size());
  section.begin_rewrite(size + step.text.size());
  section.insert(step.text, 0);
  section.keep({0, size});
  section.end_rewrite({{0, section.rewritten_size()}});
}

void Normalizer::apply(const Replace& step, Section& section, PatternScratch& scratch) {
  std::vector<Range> matches;
  if (const auto* text = std::get_if<std::string>(&step.pattern))
    find_text(section.text(), *text, matches);
  else
    std::get<Pattern>(step.pattern).find_all(section.text(), scratch, matches);
  if (matches.empty()) return;
  const auto size = static_cast<std::uint32_t>(section.text().size());
  section.begin_rewrite(size + matches.size() * step.content.size());
  std::uint32_t at = 0;
  for (const Range match : matches) {
    section.keep({at, match.begin});
    // All of the new text stands for the last character it replaces, as in the Rust package.
    section.insert(step.content, match.end - 1);
    at = match.end;
  }
  section.keep({at, size});
  section.end_rewrite({});
  if (!section.text().empty())
    section.pieces().push_back({0, static_cast<std::uint32_t>(section.text().size())});
}

void Normalizer::apply(NormalForm form, Section& section, PatternScratch&) {
  normalize(section, form);
}

}  // namespace fg::text::tok
