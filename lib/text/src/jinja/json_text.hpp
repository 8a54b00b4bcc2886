#pragma once

#include "jinja/interpreter.hpp"

namespace fg::text::jinja {

/// The filter tojson as transformers has it: json.dumps(value, ensure_ascii=False, indent=None,
/// separators=None, sort_keys=False), nothing escaped for HTML.
Value to_json(Interpreter& run, const Value& value, const Arguments& arguments);

}  // namespace fg::text::jinja
