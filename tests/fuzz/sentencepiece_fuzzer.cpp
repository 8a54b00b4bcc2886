// A tokenizer.model from anywhere: it becomes a tokenizer.json that loads, or is refused.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <fg/base/error.hpp>
#include <fg/text/sentencepiece.hpp>
#include <fg/text/tokenizer.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const std::string json = fg::text::tokenizer_json_from_sentencepiece(bytes, "fuzz");
    fg::text::Tokenizer::from_json(json, "fuzz").encode("ab <s> \xC3\xA9");
  } catch (const fg::Error& error) {
    if (error.code() == fg::ExitCode::bug) __builtin_trap();
  }
  return 0;
}
