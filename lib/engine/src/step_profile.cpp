#include "step_profile.hpp"

#include <fg/device/device.hpp>
#include <fg/log/log.hpp>

namespace fg::engine {

void StepProfile::before(std::uint64_t step) {
  if (settings_.first_step == 0) return;
  if (step == settings_.first_step) {
    device::synchronise(device_);
    profile_.emplace();
  } else if (profile_ && step >= settings_.first_step + 2) {
    device::synchronise(device_);
    profile_->finish(settings_.file);
    profile_.reset();
    log::info("wrote " + settings_.file.string());
  }
}

}  // namespace fg::engine
