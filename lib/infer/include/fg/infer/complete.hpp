#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <fg/data/chat_encoder.hpp>
#include <fg/infer/sampler.hpp>
#include <fg/model/model.hpp>

namespace fg::infer {

struct CompleteOptions {
  /// The prompt is a user's message, put through the encoder's chat template (the one the training
  /// data went through). True: it is plain text to go on from.
  bool raw = false;
  std::string system = {};  // before the message; empty: none
  std::int64_t max_tokens = 128;
  SamplingOptions sampling = {.temperature = 0.0};
  std::uint64_t seed = 0;
  std::vector<std::int32_t> eos_ids = {};  // empty: eos_ids_of(model, encoder)
  std::function<bool()> interrupted = {};  // as in GenerateHooks
};

/// One answer, for samples while a model trains: the same model, prompt and options give the same
/// text. With `raw` the prompt's own text is not repeated. Errors as Generator::generate.
std::string complete(model::Model& model, const data::ChatEncoder& encoder,
                     const std::string& prompt, const CompleteOptions& options = {});

}  // namespace fg::infer
