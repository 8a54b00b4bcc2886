#pragma once

#include "jinja/ast.hpp"

namespace fg::text::jinja {

/// Gives every name its slot by jinja2's rules of scope (idtracking.py) and makes the checks of its
/// compiler: unknown filters and tests, assignments to `loop`, break outside of a loop.
/// SyntaxFailure.
Tree resolve(Body body);

}  // namespace fg::text::jinja
