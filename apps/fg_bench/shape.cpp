#include "shape.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <string_view>

#include <fg/base/error.hpp>
#include <fg/base/json.hpp>
#include <fg/base/nearest.hpp>

namespace fg::bench {
namespace {

struct Shape {
  std::string_view name;
  std::string_view config;  // what of config.json matters here
};

constexpr std::array shapes{
    Shape{"7b", R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"],
                    "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008,
                    "num_hidden_layers": 32, "num_attention_heads": 32,
                    "num_key_value_heads": 32, "max_position_embeddings": 4096,
                    "rms_norm_eps": 1e-05, "hidden_act": "silu",
                    "tie_word_embeddings": false})"},
    Shape{"1b", R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"],
                    "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192,
                    "num_hidden_layers": 16, "num_attention_heads": 32,
                    "num_key_value_heads": 8, "head_dim": 64,
                    "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
                    "hidden_act": "silu", "rope_theta": 500000.0,
                    "rope_scaling": {"rope_type": "llama3", "factor": 32.0,
                                     "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                     "original_max_position_embeddings": 8192},
                    "tie_word_embeddings": true})"},
    Shape{"mistral-7b",
          R"({"model_type": "mistral", "architectures": ["MistralForCausalLM"],
              "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
              "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
              "max_position_embeddings": 32768, "rms_norm_eps": 1e-05, "hidden_act": "silu",
              "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": false})"}};

}  // namespace

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const Shape& shape : shapes) names.emplace_back(shape.name);
  return names;
}

bool is_shape_name(const std::string& shape) {
  const auto names = shape_names();
  return std::find(names.begin(), names.end(), shape) != names.end();
}

arch::ModelConfig read_shape(const std::string& shape) {
  for (const Shape& known : shapes)
    if (known.name == shape)
      return arch::parse_model_config(parse_json(known.config, shape), shape);
  std::filesystem::path file = shape;
  std::error_code code;
  if (std::filesystem::is_directory(file, code)) file /= "config.json";
  if (!std::filesystem::exists(file, code))
    fail(ExitCode::usage, "--shape " + shape +
                              ": neither a shape (7b, 1b, mistral-7b) nor a config.json that "
                              "exists" +
                              did_you_mean(shape, shape_names()));
  return arch::parse_model_config(read_json(file), file.string());
}

std::int64_t read_vocabulary(const std::string& word, std::int64_t size) {
  const std::int64_t odd = size | 1;
  if (word.empty()) return size;
  if (word == "odd") return odd;
  if (word == "padded") return (odd + 63) / 64 * 64;
  std::int64_t number = 0;
  const char* const end = word.data() + word.size();
  const auto [last, code] = std::from_chars(word.data(), end, number);
  if (code != std::errc() || last != end || number < 2 || number > (1 << 24))
    fail(ExitCode::usage,
         "--vocab " + word + ": expected odd, padded or a number from 2 to 16777216");
  return number;
}

}  // namespace fg::bench
