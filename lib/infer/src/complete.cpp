#include "fg/infer/complete.hpp"

#include <fg/infer/generate.hpp>
#include <fg/infer/load.hpp>
#include <fg/infer/prompt.hpp>

namespace fg::infer {
namespace {

std::vector<std::int32_t> prompt_ids(const data::ChatEncoder& encoder, const std::string& prompt,
                                     const CompleteOptions& options) {
  if (options.raw) return text_prompt(encoder, prompt);
  Json messages = Json::array();
  if (!options.system.empty()) messages.push_back(message("system", options.system));
  messages.push_back(message("user", prompt));
  return chat_prompt(encoder, std::move(messages));
}

}  // namespace

std::string complete(model::Model& model, const data::ChatEncoder& encoder,
                     const std::string& prompt, const CompleteOptions& options) {
  GenerateOptions how;
  how.max_tokens = options.max_tokens;
  how.eos_ids = options.eos_ids.empty() ? eos_ids_of(model.config(), encoder) : options.eos_ids;
  how.continues_prompt = options.raw;
  Generator generator(model, encoder.tokenizer());
  Sampler sampler(options.sampling, options.seed);
  return generator
      .generate(prompt_ids(encoder, prompt, options), how, sampler,
                {.on_text = {}, .interrupted = options.interrupted})
      .text;
}

}  // namespace fg::infer
