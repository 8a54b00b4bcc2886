#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <fg/config/load.hpp>
#include <fg/optim/lr_schedule.hpp>
#include <fg/optim/options.hpp>
#include <fg/optim/token_budget.hpp>

namespace fg::configured {

/// The same word of another enumeration, which has the same words in the same order.
template <class To, class From>
To same_word(From from) {
  return static_cast<To>(static_cast<int>(from));
}

std::optional<std::uint64_t> as_unsigned(const std::optional<std::int64_t>& value);
optim::Duration duration_of(const config::Duration& duration);
std::optional<optim::Duration> duration_of(const std::optional<config::Duration>& duration);

optim::Settings settings_of(const std::vector<config::Setting>& written);
optim::ScheduleOptions schedule_of(const config::LrSchedule& schedule);

/// The ranks that parallel.pipeline and parallel.data ask for together; 1 where neither is set.
std::int64_t wanted_ranks(const config::Configuration& configuration);

/// The rows of a step. Error(usage) as config::batch_plan has it.
config::BatchPlan batch_of(const config::Configuration& configuration, std::int64_t ranks);

/// How tokens become steps, and by how much the learning rate is scaled.
optim::TokenBudget budget_of(const config::Configuration& configuration,
                             const config::BatchPlan& batch);

}  // namespace fg::configured
