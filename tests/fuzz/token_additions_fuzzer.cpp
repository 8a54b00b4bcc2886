// The YAML of --add-tokens: any bytes give additions or one Error(usage), never more.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <fg/base/error.hpp>
#include <fg/config/token_additions.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    fg::config::parse_token_additions({reinterpret_cast<const char*>(data), size}, "fuzz.yaml");
  } catch (const fg::Error& error) {
    if (error.code() != fg::ExitCode::usage) std::abort();
  }
  return 0;
}
