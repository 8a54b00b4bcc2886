#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fg/base/json.hpp>
#include <fg/data/chat_encoder.hpp>

namespace fg::infer {

/// {"role": …, "content": …}
Json message(std::string_view role, std::string_view content);

/// The conversation so far, and where the assistant's answer begins. `messages` is a list.
/// TemplateError(data) where the template refuses.
std::vector<std::int32_t> chat_prompt(const data::ChatEncoder& encoder, Json messages);

/// A text to go on from, with what the tokenizer adds (bos).
std::vector<std::int32_t> text_prompt(const data::ChatEncoder& encoder, std::string_view text);

}  // namespace fg::infer
