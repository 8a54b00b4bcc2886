#include <algorithm>

#include <fg/base/utf8.hpp>

#include "tokenizer/decoder.hpp"
#include "tokenizer/utf8_scan.hpp"

namespace fg::text::tok {
namespace {

/// The length of the broken part; `is_cut` if only more bytes would tell whether it is broken.
std::size_t measure_broken(std::string_view bytes, bool& is_cut) {
  is_cut = false;
  const auto lead = static_cast<unsigned char>(bytes[0]);
  if (lead < 0xC2 || lead > 0xF4) return 1;
  const std::size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  std::size_t length = 1;
  for (; length < wanted && length < bytes.size(); ++length) {
    const auto byte = static_cast<unsigned char>(bytes[length]);
    const bool second = length == 1;
    const unsigned low = second && lead == 0xE0 ? 0xA0 : second && lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = second && lead == 0xED ? 0x9F : second && lead == 0xF4 ? 0x8F : 0xBF;
    if (byte < low || byte > high) return length;
  }
  is_cut = length < wanted;
  return length;
}

}  // namespace

std::size_t broken_length(std::string_view bytes) {
  bool is_cut = false;
  return measure_broken(bytes, is_cut);
}

std::size_t append_lossy(std::string& text, std::string_view bytes, bool keep_incomplete_end) {
  while (!bytes.empty()) {
    const std::size_t valid = find_invalid_utf8(bytes).value_or(bytes.size());
    text += bytes.substr(0, valid);
    bytes.remove_prefix(valid);
    if (bytes.empty()) break;
    bool is_cut = false;
    const std::size_t broken = measure_broken(bytes, is_cut);
    if (is_cut && keep_incomplete_end) return bytes.size();
    append_utf8(text, 0xFFFD);
    bytes.remove_prefix(broken);
  }
  return 0;
}

}  // namespace fg::text::tok
