#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <fg/base/error.hpp>
#include <fg/text/chat_template.hpp>

namespace {

const fg::text::ChatInput& input() {
  static const fg::text::ChatInput fixed = [] {
    fg::text::ChatInput made;
    made.messages = fg::Json::parse(
        R"([{"role": "system", "content": "Be \u00e9 brief"}, {"role": "user", "content": " a b\n\u4e16 "},
            {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"x": [1, 2.5]}}}]}])");
    made.tools =
        fg::Json::parse(R"([{"type": "function", "function": {"name": "f", "parameters": {}}}])");
    made.special_tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
    made.extra = fg::Json::parse(
        R"({"s": "\u00df\u03a3", "n": -7, "f": 2.5, "l": [3, 1, 2], "d": {"a": 1, "b": null}})");
    return made;
  }();
  return fixed;
}

/// Spans are ordered, not empty, apart and inside the text, on borders of characters.
void check(const std::string& text, const std::vector<fg::text::ByteSpan>& spans) {
  std::size_t last = 0;
  for (const fg::text::ByteSpan& span : spans) {
    const bool sound =
        span.begin < span.end && span.end <= text.size() && (last == 0 || span.begin > last);
    if (!sound || (static_cast<unsigned char>(text[span.begin]) & 0xC0) == 0x80) __builtin_trap();
    last = span.end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    auto chat_template = fg::text::ChatTemplate::parse(
        std::string(reinterpret_cast<const char*>(data), size), "input");
    chat_template.set_clock([] { return std::chrono::system_clock::time_point(); });
    const fg::text::Rendered rendered = chat_template.render(
        input(), {.steps = 20'000, .output_bytes = 1 << 16, .memory_bytes = 32 << 20});
    check(rendered.text, rendered.from_input);
    check(rendered.text, rendered.generation);
  } catch (const fg::Error&) {
  }
  return 0;
}
