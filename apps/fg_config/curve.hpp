#pragma once

#include <cstdint>
#include <string>

#include <fg/config/configuration.hpp>
#include <fg/optim/lr_schedule.hpp>

namespace fg::config_app {

/// The learning rate of a configuration's optimizer over a run.
struct Curve {
  std::string type;         // of the schedule
  std::uint64_t steps = 0;  // of the run
  std::uint64_t tokens_per_step = 0;
  optim::LrSchedule schedule;
};

/// As fg-train plans it for so many ranks. Error(usage) where the options of the optimizer or the
/// schedule are wrong, or nothing but the data says how long the run is.
Curve curve_of(const config::Configuration& configuration, std::int64_t ranks);

/// A line for each of at most 26 steps, the first and the last among them.
std::string curve_text(const Curve& curve);

/// The same as a picture.
std::string curve_svg(const Curve& curve);

}  // namespace fg::config_app
