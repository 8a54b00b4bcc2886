#include <cstddef>
#include <cstdint>
#include <string_view>

#include <fg/base/error.hpp>

#include "weight_index.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    fg::store::parse_weight_index(text, ".bin", "input");
  } catch (const fg::Error&) {
  }
  return 0;
}
