#pragma once

#include <exception>
#include <functional>
#include <string_view>

namespace fg::device {

/// What a training run can do about memory, for `advice`.
inline constexpr std::string_view advice_for_training =
    "What takes less, in this order: memory.policy checkpoint, then offload; a smaller "
    "train.microbatch_size or train.seq_len; optimizer.type adafactor or adamw4bit; one microbatch "
    "a step, which needs no gradient buffer (--dry-run shows the parts)";

/// Throws what LibTorch threw as an Error that a user can act on: Error(usage) with the advice
/// where a GPU's memory was not enough, Error(rank_lost) where the GPU or its driver failed.
/// Anything else is thrown on as it is.
[[noreturn]] void rethrow(std::exception_ptr thrown, std::string_view advice);

/// Runs `body`, whose errors go through rethrow.
template <typename Body>
auto translating_errors(std::string_view advice, const Body& body) {
  try {
    return std::invoke(body);
  } catch (...) {
    rethrow(std::current_exception(), advice);
  }
}

}  // namespace fg::device
