#pragma once

#include <string>

namespace fg::store {

/// `body`, the text of a JSON object with at least one member and a closing "\n}\n", with the
/// member "check" put at its end.
std::string seal(std::string body);

}  // namespace fg::store
