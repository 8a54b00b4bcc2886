#include "fg/infer/prompt.hpp"

#include <utility>

#include <fg/text/chat_template.hpp>

namespace fg::infer {

Json message(std::string_view role, std::string_view content) {
  return Json{{"role", role}, {"content", content}};
}

std::vector<std::int32_t> chat_prompt(const data::ChatEncoder& encoder, Json messages) {
  text::ChatInput input;
  input.messages = std::move(messages);
  input.add_generation_prompt = true;
  return encoder.encode(encoder.render(std::move(input)));
}

std::vector<std::int32_t> text_prompt(const data::ChatEncoder& encoder, std::string_view text) {
  return encoder.tokenizer().encode(text).ids;
}

}  // namespace fg::infer
