#include <algorithm>
#include <cstdio>

#include <fg/engine/pace.hpp>

namespace fg::engine {
namespace {

double median_of(std::vector<double> values) {
  std::ranges::sort(values);
  return values[(values.size() - 1) / 2];
}

}  // namespace

std::optional<std::size_t> find_straggler(const std::vector<double>& seconds_of_rank) {
  constexpr double is_much = 1.25;
  constexpr double is_noise_s = 1e-3;
  if (seconds_of_rank.size() < 2) return std::nullopt;
  const auto slowest = std::ranges::max_element(seconds_of_rank);
  const double median = median_of(seconds_of_rank);
  if (*slowest < is_much * median || *slowest < median + is_noise_s) return std::nullopt;
  return static_cast<std::size_t>(slowest - seconds_of_rank.begin());
}

std::string describe_straggler(const std::vector<double>& seconds_of_rank, std::size_t straggler,
                               const std::string& host) {
  char text[96];
  std::snprintf(text, sizeof text,
                "computes %.3f s a step, the median rank %.3f s: the others wait for it",
                seconds_of_rank[straggler], median_of(seconds_of_rank));
  return "rank " + std::to_string(straggler) + " (" + host + ") " + text;
}

}  // namespace fg::engine
