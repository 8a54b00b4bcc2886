#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fg/infer/stop_filter.hpp>
#include <fg/text/tokenizer.hpp>

namespace fg::infer {

/// An answer's ids to its text, piece by piece: whole characters, without special tokens, cut
/// before a stop string.
class TextOutput {
public:
  using OnText = std::function<void(std::string_view)>;

  /// `before`: ids whose text the answer goes on with, so that the space between is kept; their own
  /// text is not shown. `on_text` may be empty.
  TextOutput(const text::Tokenizer& tokenizer, std::span<const std::int32_t> before,
             std::vector<std::string> stop_strings, OnText on_text);

  void push(std::int32_t id);
  void finish();
  bool stopped() const noexcept { return filter_.stopped(); }
  /// All that was shown.
  const std::string& text() const noexcept { return text_; }

private:
  void pass(std::string piece);
  void show(const std::string& piece);

  text::StreamDecoder decoder_;
  StopFilter filter_;
  OnText on_text_;
  std::size_t hidden_ = 0;  // bytes of `before` that have not come yet
  std::string text_;
};

}  // namespace fg::infer
