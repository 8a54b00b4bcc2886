#pragma once

#include "jinja/text.hpp"

namespace fg::text::jinja {

/// The text with &, <, >, ' and " written as HTML entities.
Text escape_text(const Text& text);

}  // namespace fg::text::jinja
