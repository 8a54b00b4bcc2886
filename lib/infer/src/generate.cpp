#include "fg/infer/generate.hpp"

#include <algorithm>
#include <optional>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/units.hpp>
#include <fg/device/errors.hpp>

#include "text_output.hpp"

namespace fg::infer {
namespace {

/// Tokens of a prompt that go through the model at once: enough for its products to be fast, few
/// enough that memory stays small and an interruption is heard.
constexpr std::size_t chunk = 256;

bool is_in(const std::vector<std::int32_t>& list, std::int32_t id) {
  return std::find(list.begin(), list.end(), id) != list.end();
}

/// Stop strings that are special tokens, whose text is never shown.
std::vector<std::int32_t> stop_ids_of(const GenerateOptions& options,
                                      const text::Tokenizer& tokenizer) {
  std::vector<std::int32_t> ids;
  for (const std::string& stop : options.stop) {
    const auto id = tokenizer.id_of(stop);
    if (id && tokenizer.is_special(*id)) ids.push_back(*id);
  }
  return ids;
}

std::vector<std::int32_t> eos_ids_of(const GenerateOptions& options) {
  std::vector<std::int32_t> ids = options.eos_ids;
  if (fault_planted("infer.first_eos_only") && ids.size() > 1)
    ids.erase(ids.begin() + 1, ids.end());
  return ids;
}

std::vector<float> to_floats(const at::Tensor& logits) {
  const at::Tensor plain = logits.to(at::kCPU, at::kFloat).contiguous();
  const float* const values = plain.const_data_ptr<float>();
  return {values, values + plain.numel()};
}

}  // namespace

std::string_view name_of(Finish finish) {
  switch (finish) {
    case Finish::eos:
      return "eos";
    case Finish::stop:
      return "stop";
    case Finish::length:
      return "length";
    case Finish::interrupted:
      return "interrupted";
  }
  FG_CHECK(false);
  return {};
}

Generator::Generator(model::Model& model, const text::Tokenizer& tokenizer)
    : model_(model),
      tokenizer_(tokenizer),
      cache_(model.config(), model.parameters().type(), model.device()) {}

void Generator::check_prompt(std::span<const std::int32_t> prompt) const {
  const auto count = [](auto number) { return with_thousands(static_cast<std::uint64_t>(number)); };
  const std::int64_t positions = model_.config().max_position_embeddings;
  if (prompt.empty()) fail(ExitCode::data, "the prompt is empty: there is nothing to go on from");
  for (const std::int32_t id : prompt)
    if (id < 0 || id >= model_.config().vocab_size)
      fail(ExitCode::data, "the prompt has token id " + std::to_string(id) + ", the model " +
                               count(model_.config().vocab_size) + " tokens");
  if (static_cast<std::int64_t>(prompt.size()) >= positions)
    fail(ExitCode::data, "the prompt has " + count(prompt.size()) + " tokens and the model " +
                             count(positions) +
                             " positions (max_position_embeddings), which leaves none for an "
                             "answer; shorten it");
}

/// Keeps what the cache and the prompt have in common, but for the last token, whose logits are
/// wanted. The number of tokens kept.
std::int64_t Generator::reuse(std::span<const std::int32_t> prompt) {
  static const bool off_by_one = fault_planted("infer.prefix_off_by_one");
  const std::size_t most = std::min(seen_.size(), prompt.size() - 1);
  std::size_t common = 0;
  while (common < most && seen_[common] == prompt[common]) ++common;
  const std::size_t kept = off_by_one && common < seen_.size() ? common + 1 : common;
  cache_.truncate(static_cast<std::int64_t>(kept));
  seen_.resize(common);
  return static_cast<std::int64_t>(common);
}

/// The logits after the last of `ids`; undefined where it was interrupted.
at::Tensor Generator::run(std::span<const std::int32_t> ids, const GenerateHooks& hooks) {
  at::Tensor logits;
  while (!ids.empty()) {
    if (hooks.interrupted && hooks.interrupted()) return {};
    const auto now = ids.first(std::min(chunk, ids.size()));
    logits = device::translating_errors("--devices cpu takes the machine's memory.", [&] {
      return model_.next_logits(std::vector<std::int64_t>(now.begin(), now.end()), cache_);
    });
    seen_.insert(seen_.end(), now.begin(), now.end());
    ids = ids.subspan(now.size());
  }
  return logits;
}

Answer Generator::generate(std::span<const std::int32_t> prompt, const GenerateOptions& options,
                           Sampler& sampler, const GenerateHooks& hooks) {
  FG_CHECK(options.max_tokens > 0);
  check_prompt(prompt);
  Answer answer;
  answer.prompt_tokens = static_cast<std::int64_t>(prompt.size());
  answer.cached_tokens = reuse(prompt);
  const std::int64_t room = model_.config().max_position_embeddings - answer.prompt_tokens;
  const auto most = static_cast<std::size_t>(std::min(room, options.max_tokens));
  const std::vector<std::int32_t> eos_ids = eos_ids_of(options);
  const std::vector<std::int32_t> stop_ids = stop_ids_of(options, tokenizer_);
  const auto before = options.continues_prompt ? prompt : std::span<const std::int32_t>();
  TextOutput output(tokenizer_, before, options.stop, hooks.on_text);

  const auto finish_after = [&](std::int32_t id) -> std::optional<Finish> {
    if (is_in(eos_ids, id)) return Finish::eos;
    if (is_in(stop_ids, id)) return Finish::stop;
    output.push(id);
    if (output.stopped()) return Finish::stop;
    if (answer.ids.size() < most) return std::nullopt;
    answer.out_of_positions = room < options.max_tokens;
    return Finish::length;
  };
  std::vector<std::int32_t> context(prompt.begin(), prompt.end());
  std::optional<Finish> finish;
  at::Tensor logits = run(prompt.subspan(static_cast<std::size_t>(answer.cached_tokens)), hooks);
  while (logits.defined() && !finish) {
    const std::int32_t id = sampler.next(to_floats(logits), context);
    answer.ids.push_back(id);
    context.push_back(id);
    finish = finish_after(id);
    if (!finish) logits = run({&id, 1}, hooks);
  }
  output.finish();
  answer.text = output.text();
  answer.finish = output.stopped() ? Finish::stop : finish.value_or(Finish::interrupted);
  return answer;
}

}  // namespace fg::infer
