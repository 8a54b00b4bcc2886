#include <algorithm>

#include "tokenizer/impl.hpp"

namespace fg::text {
namespace {

void push_token(const Tokenizer::Impl& tokenizer, std::int32_t id, SpecialTokens special,
                tok::Decoder::Run& run) {
  const auto text = tokenizer.decoded_text(id);
  if (!text || (special == SpecialTokens::skip && tokenizer.is_skipped(id))) return;
  run.push(*text);
}

}  // namespace

std::string Tokenizer::decode(std::span<const std::int32_t> ids, SpecialTokens special) const {
  std::string text;
  tok::Decoder::Run run(impl_->decoder, text);
  for (const std::int32_t id : ids) push_token(*impl_, id, special, run);
  run.finish();
  return text;
}

std::optional<std::int32_t> Tokenizer::id_of(std::string_view token) const {
  if (const auto found = impl_->added_by_content.find(token);
      found != impl_->added_by_content.end())
    return found->second->id;
  const tok::TokenId id = impl_->model_vocabulary.find(token);
  if (id == tok::no_token) return std::nullopt;
  return id;
}

std::optional<std::string_view> Tokenizer::token_of(std::int32_t id) const {
  if (const auto found = impl_->added_by_id.find(id); found != impl_->added_by_id.end())
    return found->second->content;
  return impl_->decoded_text(id);
}

std::size_t Tokenizer::vocab_size() const {
  return impl_->size();
}

bool Tokenizer::is_special(std::int32_t id) const {
  const auto found = impl_->added_by_id.find(id);
  return found != impl_->added_by_id.end() && found->second->special;
}

std::vector<std::int32_t> Tokenizer::special_ids() const {
  std::vector<std::int32_t> ids;
  for (const tok::AddedToken& token : impl_->added)
    if (token.special) ids.push_back(token.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

struct StreamDecoder::State {
  State(const Tokenizer& tokenizer, SpecialTokens which)
      : impl(tokenizer.impl_), special(which), run(impl->decoder, text) {}

  std::shared_ptr<const Tokenizer::Impl> impl;
  SpecialTokens special;
  std::string text;
  tok::Decoder::Run run;
};

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, SpecialTokens special)
    : state_(std::make_unique<State>(tokenizer, special)) {}
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder::~StreamDecoder() = default;

std::string StreamDecoder::push(std::int32_t id) {
  push_token(*state_->impl, id, state_->special, state_->run);
  return std::exchange(state_->text, {});
}

std::string StreamDecoder::finish() {
  state_->run.finish();
  return std::exchange(state_->text, {});
}

}  // namespace fg::text
