// A tokenizer.json from anywhere: it loads or is refused; one that loads encodes and decodes.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <fg/base/error.hpp>
#include <fg/text/tokenizer.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = fg::text::Tokenizer::from_json(text, "fuzz");
    const auto encoding = tokenizer.encode("ab  abc\nd's 12345 \xC3\xA9<s>\xF0\x9F\x98\x80\xFF",
                                           {.want_offsets = true});
    tokenizer.decode(encoding.ids, fg::text::SpecialTokens::skip);
  } catch (const fg::Error& error) {
    if (error.code() == fg::ExitCode::bug) __builtin_trap();
  }
  return 0;
}
