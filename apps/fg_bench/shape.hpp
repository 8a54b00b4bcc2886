#pragma once

#include <string>
#include <vector>

#include <fg/arch/model_config.hpp>

namespace fg::bench {

/// "7b", "1b", "mistral-7b".
std::vector<std::string> shape_names();
bool is_shape_name(const std::string& shape);

/// A shape by its name (Llama-2-7B, Llama-3.2-1B, Mistral-7B), or the config.json at this path.
/// Error(usage) where it is neither, Error(cannot_load) for a file that is wrong.
arch::ModelConfig read_shape(const std::string& shape);

/// What --vocab makes of a vocabulary: "odd" the next odd number, "padded" that rounded up to a
/// multiple of 64, a number itself, "" the shape's own. Error(usage).
std::int64_t read_vocabulary(const std::string& word, std::int64_t size);

}  // namespace fg::bench
