#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fg::infer {

/// Lets text through in pieces up to the first stop string: the one that is complete first, of
/// several the longest. What could be the beginning of one waits, so no byte of a stop string is
/// ever let through, however it is cut into pieces, and the result does not depend on the cuts.
class StopFilter {
public:
  /// Empty strings are passed over.
  explicit StopFilter(std::vector<std::string> stop_strings);

  /// What may be shown now. Nothing once stopped.
  std::string push(std::string_view piece);
  /// What still waits: no more pieces come.
  std::string finish();
  bool stopped() const noexcept { return stopped_; }

private:
  std::size_t waiting_from() const;

  std::vector<std::string> stop_strings_;
  std::string text_;  // not yet let through
  bool stopped_ = false;
};

}  // namespace fg::infer
