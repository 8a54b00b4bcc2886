#include <algorithm>
#include <cstdio>

#include <fg/engine/pace.hpp>

namespace fg::engine {

std::string describe_straggler(const std::vector<double>& seconds_of_rank) {
  constexpr double is_much = 1.25;
  constexpr double is_noise_s = 1e-3;
  if (seconds_of_rank.size() < 2) return "";
  const auto slowest = std::ranges::max_element(seconds_of_rank);
  std::vector<double> sorted = seconds_of_rank;
  std::ranges::sort(sorted);
  const double median = sorted[(sorted.size() - 1) / 2];
  if (*slowest < is_much * median || *slowest < median + is_noise_s) return "";
  char text[160];
  std::snprintf(text, sizeof text,
                "rank %d computes %.3f s a step, the median rank %.3f s: the others wait for it",
                static_cast<int>(slowest - seconds_of_rank.begin()), *slowest, median);
  return text;
}

}  // namespace fg::engine
