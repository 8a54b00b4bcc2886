#include <cstddef>
#include <cstdint>
#include <span>

#include <fg/base/error.hpp>

#include "zip_directory.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    fg::store::read_zip_directory(bytes, "input");
  } catch (const fg::Error&) {
  }
  return 0;
}
