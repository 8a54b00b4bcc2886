#include "fg/infer/stop_filter.hpp"

#include <algorithm>
#include <utility>

#include <fg/base/failpoint.hpp>

namespace fg::infer {

StopFilter::StopFilter(std::vector<std::string> stop_strings)
    : stop_strings_(std::move(stop_strings)) {
  std::erase(stop_strings_, std::string());
}

/// Where the longest end of the text begins that a stop string begins with.
std::size_t StopFilter::waiting_from() const {
  static const bool waits_for_nothing = fault_planted("infer.stop_string_shown");
  std::size_t longest = 0;
  for (const std::string& stop : stop_strings_)
    for (std::size_t size = std::min(stop.size() - 1, text_.size()); size > longest; --size)
      if (text_.ends_with(std::string_view(stop).substr(0, size))) longest = size;
  return waits_for_nothing ? text_.size() : text_.size() - longest;
}

std::string StopFilter::push(std::string_view piece) {
  if (stopped_) return {};
  text_ += piece;
  std::size_t begin = std::string::npos, end = std::string::npos;
  for (const std::string& stop : stop_strings_) {
    const std::size_t found = text_.find(stop);
    if (found == std::string::npos) continue;
    const std::size_t found_end = found + stop.size();
    if (found_end > end || (found_end == end && found > begin)) continue;
    begin = found;
    end = found_end;
  }
  stopped_ = begin != std::string::npos;
  const std::size_t shown = stopped_ ? begin : waiting_from();
  std::string result = text_.substr(0, shown);
  text_.erase(0, stopped_ ? text_.size() : shown);
  return result;
}

std::string StopFilter::finish() {
  return std::exchange(text_, {});
}

}  // namespace fg::infer
