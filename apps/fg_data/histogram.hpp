#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fg::data_app {

/// How many of the lengths fall where, as lines of text: at most 20 equal stretches from 0 to the
/// longest, each a round number wide, with a bar as long as its share.
std::string histogram(const std::vector<std::uint32_t>& lengths);

/// "shortest 3, median 210, mean 230.4, 95 % below 501, longest 812".
std::string length_summary(std::vector<std::uint32_t> lengths);

}  // namespace fg::data_app
