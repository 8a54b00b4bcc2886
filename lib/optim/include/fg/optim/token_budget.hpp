#pragma once

#include <cstdint>
#include <optional>

namespace fg::optim {

/// Arithmetic of runs that are measured in tokens.
struct TokenBudget {
  std::uint64_t seq_len = 512;
  std::uint64_t global_batch = 32;        // rows of one optimizer step over the whole job
  double batch_density = 0.95;            // share of positions that are real tokens
  std::uint64_t base_batch_size = 16384;  // tokens a step for which a learning rate was found
  double lr_alpha = 0.5;                  // 0.5: the square root rule; 0: no scaling
};

/// Throws Error(usage).
void validate(const TokenBudget& budget);

/// floor(seq_len * global_batch * batch_density), at least 1.
std::uint64_t tokens_per_step(const TokenBudget& budget);

/// Whole steps in so many tokens.
std::uint64_t steps_in(std::uint64_t tokens, std::uint64_t tokens_per_step);

/// The most steps that a run may have: max_steps, or the whole steps (at least 1) in max_tokens if
/// those are fewer; nothing where neither is given.
std::optional<std::uint64_t> most_steps(std::optional<std::uint64_t> max_steps,
                                        std::optional<std::uint64_t> max_tokens,
                                        std::uint64_t tokens_per_step);

/// lr * (tokens_per_step / base_batch_size)^lr_alpha.
double scaled_lr(const TokenBudget& budget, double lr);

}  // namespace fg::optim
