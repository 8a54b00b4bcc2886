#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fg::session {

/// Texts of any bytes as one text, each behind its length ("5:hello"), for gather and broadcast.
std::string pack(const std::vector<std::string>& texts);

/// The texts again. Error(bug) for what `pack` has not made.
std::vector<std::string> unpack(std::string_view packed);

}  // namespace fg::session
