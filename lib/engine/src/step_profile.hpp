#pragma once

#include <cstdint>
#include <optional>

#include <c10/core/Device.h>

#include <fg/device/profile.hpp>
#include <fg/engine/trainer.hpp>

namespace fg::engine {

/// Watches two steps of a run and writes what it saw. The device is waited for before and behind
/// them. A run that ends within or with them leaves no trace.
class StepProfile {
public:
  StepProfile(const ProfileSettings& settings, c10::Device device)
      : settings_(settings), device_(device) {}

  /// To be told of each step (from 1) before it is queued. Error(cannot_save).
  void before(std::uint64_t step);

private:
  const ProfileSettings& settings_;
  c10::Device device_;
  std::optional<device::Profile> profile_;
};

}  // namespace fg::engine
