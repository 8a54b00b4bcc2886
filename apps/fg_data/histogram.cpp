#include "histogram.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <numeric>

#include <fg/base/units.hpp>

namespace fg::data_app {
namespace {

constexpr std::uint64_t most_stretches = 20;
constexpr std::uint64_t bar_width = 50;

/// 1, 2 or 5 times a power of ten, so that most_stretches of it hold `longest`.
std::uint64_t round_width(std::uint64_t longest) {
  for (std::uint64_t power = 1;; power *= 10)
    for (const std::uint64_t factor : {1, 2, 5})
      if (factor * power * most_stretches > longest) return factor * power;
}

std::string padded(const std::string& text, std::size_t width) {
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
}

}  // namespace

std::string histogram(const std::vector<std::uint32_t>& lengths) {
  if (lengths.empty()) return {};
  const std::uint64_t longest = *std::max_element(lengths.begin(), lengths.end());
  const std::uint64_t width = round_width(longest);
  std::vector<std::uint64_t> counts(longest / width + 1, 0);
  for (const std::uint32_t length : lengths) ++counts[length / width];
  const std::uint64_t tallest = *std::max_element(counts.begin(), counts.end());
  const std::size_t label = with_thousands(counts.size() * width).size();
  const std::size_t number = with_thousands(tallest).size();
  std::string out;
  for (std::size_t index = 0; index < counts.size(); ++index) {
    const std::uint64_t cells =
        (counts[index] * bar_width + tallest - 1) / tallest;  // something is never shown as nothing
    out += padded(with_thousands(index * width), label) + " to " +
           padded(with_thousands((index + 1) * width - 1), label) + "  " +
           padded(with_thousands(counts[index]), number) + "  " + std::string(cells, '#') + "\n";
  }
  return out;
}

std::string length_summary(std::vector<std::uint32_t> lengths) {
  if (lengths.empty()) return {};
  std::sort(lengths.begin(), lengths.end());
  const auto at = [&](std::size_t per_cent) {
    return with_thousands(lengths[(lengths.size() - 1) * per_cent / 100]);
  };
  const double mean =
      std::accumulate(lengths.begin(), lengths.end(), 0.0) / static_cast<double>(lengths.size());
  std::array<char, 32> mean_text{};
  std::snprintf(mean_text.data(), mean_text.size(), "%.1f", mean);
  return "shortest " + at(0) + ", median " + at(50) + ", mean " + mean_text.data() +
         ", 95 % up to " + at(95) + ", longest " + at(100);
}

}  // namespace fg::data_app
