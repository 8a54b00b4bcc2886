#pragma once

#include <string_view>

namespace fg {
/// The release, for example "0.1.0".
std::string_view version();
/// What `git describe --always --dirty` said at build time, or "unknown" outside a checkout.
std::string_view commit();
}  // namespace fg
