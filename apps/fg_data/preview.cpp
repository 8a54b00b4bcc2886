#include "preview.hpp"

#include <fg/base/units.hpp>

namespace fg::data_app {
namespace {

void append_visible(std::string& out, const std::string& text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool control = (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f;
    if (control)
      out += {'^', static_cast<char>(byte ^ 0x40)};
    else
      out += c;
  }
}

/// Text in stretches of trained and other tokens.
class Marker {
public:
  explicit Marker(bool color) : begin_(color ? "\x1b[32m" : "⟦"), end_(color ? "\x1b[0m" : "⟧") {}

  void add(const std::string& text, bool trained) {
    if (text.empty()) return;
    if (trained != open_) out_ += trained ? begin_ : end_;
    open_ = trained;
    append_visible(out_, text);
  }
  std::string finish() {
    if (open_) out_ += end_;
    return std::move(out_);
  }

private:
  const char* begin_;
  const char* end_;
  bool open_ = false;
  std::string out_;
};

std::string preview_document(const data::Document& document, const text::Tokenizer& tokenizer,
                             bool color) {
  text::StreamDecoder decoder(tokenizer, text::SpecialTokens::keep);
  Marker marker(color);
  bool trained = false;
  for (std::size_t index = 0; index < document.ids.size(); ++index) {
    trained = index > 0 && document.trained[index] != 0;
    marker.add(decoder.push(static_cast<std::int32_t>(document.ids[index])), trained);
  }
  marker.add(decoder.finish(), trained);
  return marker.finish();
}

}  // namespace

std::string preview_row(const data::TokenSet& set, const data::EpochPlan& plan, std::size_t row,
                        const text::Tokenizer& tokenizer, bool color) {
  const auto number = [](auto value) { return with_thousands(static_cast<std::uint64_t>(value)); };
  std::string out = "=== row " + number(row) + ": " + number(plan.documents(row).size()) +
                    " documents, " + number(plan.tokens(row)) + " tokens, " +
                    number(plan.trained_tokens(row)) + " trained\n";
  for (const std::uint32_t index : plan.documents(row)) {
    out += "--- document " + number(index) + " (record " + number(set.record(index) + 1) +
           "): " + number(set.length(index)) + " tokens, " + number(set.trained_tokens(index)) +
           " trained\n";
    out += preview_document(set.document(index), tokenizer, color) + "\n";
  }
  return out;
}

}  // namespace fg::data_app
