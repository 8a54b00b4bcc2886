#include <algorithm>
#include <array>

#include <fg/engine/flops.hpp>

namespace fg::engine {
namespace {

struct Peak {
  std::string_view part;  // of the device's name
  double teraflops;
};

// Dense bfloat16 with float32 sums, without sparsity. The first match counts, so longer names stand
// before those they contain.
constexpr std::array peaks{
    Peak{"B200", 2250},
    Peak{"H200", 989},
    Peak{"GH200", 989},
    Peak{"H100 PCIe", 756},
    Peak{"H100 NVL", 835},
    Peak{"H100", 989},
    Peak{"A100", 312},
    Peak{"A800", 312},
    Peak{"A40", 149.7},
    Peak{"A30", 165},
    Peak{"A10G", 70},
    Peak{"A10", 125},
    Peak{"L40S", 362},
    Peak{"L40", 181},
    Peak{"L4", 121},
    Peak{"RTX 5090", 209.5},
    Peak{"RTX 5080", 112.6},
    Peak{"RTX 4090", 165.2},
    Peak{"RTX 4080", 97.5},
    Peak{"RTX 4070 Ti", 80.2},
    Peak{"RTX 3090 Ti", 80},
    Peak{"RTX 3090", 71.2},
    Peak{"RTX 3080", 59.5},
    Peak{"RTX A6000", 154.8},
    Peak{"RTX 6000 Ada", 364.2},
};

}  // namespace

Work& Work::operator+=(const Work& other) {
  tokens += other.tokens;
  trained += other.trained;
  attended_pairs += other.attended_pairs;
  return *this;
}

double attended_pairs(const arch::ModelConfig& config, std::int64_t length) {
  const auto all = static_cast<double>(length) * static_cast<double>(length + 1) / 2;
  if (!config.sliding_window || config.layers == 0) return all;
  const auto window = static_cast<double>(std::min(length, *config.sliding_window));
  const double seen = window * (window + 1) / 2 + (static_cast<double>(length) - window) * window;
  const auto windowed =
      static_cast<double>(std::count(config.windowed.begin(), config.windowed.end(), true));
  const double share = windowed / static_cast<double>(config.layers);
  return share * seen + (1 - share) * all;
}

std::int64_t layer_matrix_elements(const arch::ModelConfig& config) {
  const std::int64_t queries = config.heads * config.head_dim;
  const std::int64_t keys = config.kv_heads * config.head_dim;
  const std::int64_t attention = config.hidden_size * (2 * queries + 2 * keys);
  const std::int64_t mlp = 3 * config.hidden_size * config.intermediate_size;
  return config.layers * (attention + mlp);
}

std::int64_t head_matrix_elements(const arch::ModelConfig& config) {
  return config.vocab_size * config.hidden_size;
}

double training_flops(const arch::ModelConfig& config, const Work& work) {
  const double matrices =
      static_cast<double>(layer_matrix_elements(config)) * static_cast<double>(work.tokens) +
      static_cast<double>(head_matrix_elements(config)) * static_cast<double>(work.trained);
  const auto width = static_cast<double>(config.layers * config.heads * config.head_dim);
  return 6 * matrices + 12 * width * work.attended_pairs;
}

std::optional<double> device_peak_flops(std::string_view name) {
  for (const Peak& peak : peaks)
    if (name.find(peak.part) != std::string_view::npos) return peak.teraflops * 1e12;
  return std::nullopt;
}

}  // namespace fg::engine
