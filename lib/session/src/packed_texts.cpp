#include "packed_texts.hpp"

#include <charconv>

#include <fg/base/error.hpp>

namespace fg::session {

std::string pack(const std::vector<std::string>& texts) {
  std::string packed;
  for (const std::string& text : texts) packed += std::to_string(text.size()) + ":" + text;
  return packed;
}

std::vector<std::string> unpack(std::string_view packed) {
  std::vector<std::string> texts;
  while (!packed.empty()) {
    std::size_t length = 0;
    const char* const last = packed.data() + packed.size();
    const auto [end, error] = std::from_chars(packed.data(), last, length);
    FG_CHECK(error == std::errc() && end != last && *end == ':');
    packed.remove_prefix(static_cast<std::size_t>(end - packed.data()) + 1);
    FG_CHECK(length <= packed.size());
    texts.emplace_back(packed.substr(0, length));
    packed.remove_prefix(length);
  }
  return texts;
}

}  // namespace fg::session
