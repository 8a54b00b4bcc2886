#pragma once

#include <memory>
#include <string>

namespace fg::optim {

/// A regular expression over parameter names: PCRE2's syntax (a superset of what Python's `re`
/// accepts in practice), found anywhere in the name unless anchored. Work per name is bounded: an
/// expression that backtracks without end is an error, not a hang.
class NamePattern {
public:
  /// Throws Error(usage) saying where the expression is wrong; `where` begins the message.
  NamePattern(const std::string& expression, const std::string& where);

  bool found_in(const std::string& name) const;

private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;  // shared by copies; never changes
  std::string expression_;
  std::string where_;
};

}  // namespace fg::optim
