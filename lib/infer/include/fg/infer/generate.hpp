#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fg/infer/sampler.hpp>
#include <fg/model/kv_cache.hpp>
#include <fg/model/model.hpp>
#include <fg/text/tokenizer.hpp>

namespace fg::infer {

struct GenerateOptions {
  std::int64_t max_tokens = 512;           // of the answer; at least 1
  std::vector<std::int32_t> eos_ids = {};  // any of them ends it
  std::vector<std::string> stop = {};      // any of these texts ends it, and is not shown
  /// The answer's text goes on where the prompt's ended, so that the space between is kept. Without
  /// it the answer is a text of its own.
  bool continues_prompt = false;
};

enum class Finish : std::uint8_t { eos, stop, length, interrupted };
/// "eos", "stop", "length", "interrupted".
std::string_view name_of(Finish finish);

struct Answer {
  std::string text;               // without special tokens
  std::vector<std::int32_t> ids;  // with the end token
  Finish finish = Finish::length;
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;  // of the prompt's: those the model had seen before
  /// The model's positions ended it, before max_tokens.
  bool out_of_positions = false;
};

/// What a caller is told, and asks, while an answer is made. Any may be empty.
struct GenerateHooks {
  std::function<void(std::string_view)> on_text = {};  // pieces of whole characters
  std::function<bool()> interrupted = {};  // asked before each token; true ends the answer
};

/// One sequence at a time on one model. The keys and values of the last call stay, so that a prompt
/// that begins as the last prompt and answer did costs only what is new in it. One thread.
class Generator {
public:
  /// Both must outlive this.
  Generator(model::Model& model, const text::Tokenizer& tokenizer);

  /// The ids that follow `prompt`. A stop string that is a special token's whole name counts as
  /// that token. Error(data) for a prompt that is empty, has an id that the model has not, or
  /// leaves no position for an answer, with both numbers; Error(numerics) from the sampler.
  Answer generate(std::span<const std::int32_t> prompt, const GenerateOptions& options,
                  Sampler& sampler, const GenerateHooks& hooks = {});

private:
  void check_prompt(std::span<const std::int32_t> prompt) const;
  std::int64_t reuse(std::span<const std::int32_t> prompt);
  at::Tensor run(std::span<const std::int32_t> ids, const GenerateHooks& hooks);

  model::Model& model_;
  const text::Tokenizer& tokenizer_;
  model::KvCache cache_;
  std::vector<std::int32_t> seen_;  // the tokens in the cache
};

}  // namespace fg::infer
