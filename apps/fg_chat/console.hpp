#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fg::chat {

/// Writes to standard output at once. Error(cannot_save).
void put(std::string_view text);

/// True if both standard input and standard output are a terminal.
bool is_terminal();

/// Standard input, line by line. Waiting for a line ends with Error(interrupted) on Ctrl-C and
/// Error(terminated) on SIGTERM.
class Lines {
public:
  /// Without its end; nothing at the end of the input. Error(data) for a line of more than 16 MiB
  /// or that is not UTF-8, which is then passed over.
  std::optional<std::string> next();
  /// All that is left, without line ends behind the last character. Error(data) as `next`.
  std::string rest();

private:
  bool read_more();

  std::string read_;
  bool at_end_ = false;
};

}  // namespace fg::chat
