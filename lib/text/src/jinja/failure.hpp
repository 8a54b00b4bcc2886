#pragma once

#include <stdexcept>
#include <string>

namespace fg::text::jinja {

/// What went wrong while rendering, in the classes of Python's exceptions, because jinja2 itself
/// catches some of them (a KeyError of `a[b]` becomes an undefined value).
enum class FailureKind {
  type,
  value,
  lookup,
  attribute,
  division,
  overflow,
  assertion,
  undefined,
  security,
  runtime,
  limit,  // ours: never caught by the engine
};

/// Refuses the rendering; the interpreter adds the place.
class Failure : public std::runtime_error {
public:
  Failure(FailureKind kind, const std::string& message)
      : std::runtime_error(message), kind_(kind) {}
  FailureKind kind() const noexcept { return kind_; }

private:
  FailureKind kind_;
};

/// A template that cannot be loaded. Line and column count from 1.
class SyntaxFailure : public std::runtime_error {
public:
  SyntaxFailure(const std::string& message, int at_line, int at_column)
      : std::runtime_error(message), line(at_line), column(at_column) {}
  int line;
  int column;
};

[[noreturn]] inline void type_failure(const std::string& message) {
  throw Failure(FailureKind::type, message);
}
[[noreturn]] inline void value_failure(const std::string& message) {
  throw Failure(FailureKind::value, message);
}
[[noreturn]] inline void limit_failure(const std::string& message) {
  throw Failure(FailureKind::limit, message);
}

}  // namespace fg::text::jinja
