// The distribution that our filters leave: one JSON object a line in ({"logits", "context",
// "temperature", "top_k", "top_p", "min_p", "repetition_penalty"}), one out ({"ids",
// "probabilities"}).
#include <iostream>
#include <string>

#include <fg/base/json.hpp>
#include <fg/infer/sampler.hpp>

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const fg::Json request =
        fg::parse_json(line, "request", {.max_bytes = 64 << 20, .max_depth = 4});
    fg::infer::SamplingOptions options;
    options.temperature = request.value("temperature", options.temperature);
    options.top_k = request.value("top_k", options.top_k);
    options.top_p = request.value("top_p", options.top_p);
    options.min_p = request.value("min_p", options.min_p);
    options.repetition_penalty = request.value("repetition_penalty", options.repetition_penalty);
    const auto logits = request["logits"].get<std::vector<float>>();
    const auto context = request.value("context", std::vector<std::int32_t>());
    fg::Json ids = fg::Json::array(), probabilities = fg::Json::array();
    for (const auto& one : fg::infer::distribution(logits, context, options)) {
      ids.push_back(one.id);
      probabilities.push_back(one.probability);
    }
    std::cout << fg::Json{{"ids", ids}, {"probabilities", probabilities}}.dump() << '\n';
  }
  return 0;
}
