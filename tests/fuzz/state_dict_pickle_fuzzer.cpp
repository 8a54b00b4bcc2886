#include <cstddef>
#include <cstdint>
#include <string_view>

#include <fg/base/error.hpp>

#include "state_dict_pickle.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    fg::store::read_state_dict_pickle(text, "input");
  } catch (const fg::Error&) {
  }
  return 0;
}
