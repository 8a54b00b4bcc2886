#include <algorithm>
#include <cmath>
#include <string>

#include <fg/base/error.hpp>
#include <fg/optim/token_budget.hpp>

namespace fg::optim {

void validate(const TokenBudget& budget) {
  if (budget.seq_len == 0 || budget.global_batch == 0 || budget.base_batch_size == 0)
    fail(ExitCode::usage,
         "token budget: seq_len, global_batch and base_batch_size must be above 0");
  if (!(budget.batch_density > 0 && budget.batch_density <= 1))
    fail(ExitCode::usage, "token budget: batch_density is " + std::to_string(budget.batch_density) +
                              ", but must be above 0 and at most 1");
  if (!(budget.lr_alpha >= 0 && budget.lr_alpha <= 1))
    fail(ExitCode::usage, "token budget: lr_alpha is " + std::to_string(budget.lr_alpha) +
                              ", but must be from 0 to 1");
}

std::uint64_t tokens_per_step(const TokenBudget& budget) {
  const double tokens = static_cast<double>(budget.seq_len) *
                        static_cast<double>(budget.global_batch) * budget.batch_density;
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(tokens));
}

std::uint64_t steps_in(std::uint64_t tokens, std::uint64_t tokens_per_step) {
  FG_CHECK(tokens_per_step > 0);
  return tokens / tokens_per_step;
}

std::optional<std::uint64_t> most_steps(std::optional<std::uint64_t> max_steps,
                                        std::optional<std::uint64_t> max_tokens,
                                        std::uint64_t tokens_per_step) {
  if (!max_tokens) return max_steps;
  const auto steps = std::max<std::uint64_t>(1, steps_in(*max_tokens, tokens_per_step));
  return std::min(steps, max_steps.value_or(steps));
}

double scaled_lr(const TokenBudget& budget, double lr) {
  const double ratio =
      static_cast<double>(tokens_per_step(budget)) / static_cast<double>(budget.base_batch_size);
  return lr * std::pow(ratio, budget.lr_alpha);
}

}  // namespace fg::optim
