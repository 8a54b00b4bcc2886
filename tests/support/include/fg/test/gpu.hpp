#pragma once

#include <gtest/gtest.h>

#include <fg/device/device.hpp>

/// Begins a test that needs a GPU; skips it, saying so, on a machine without one. The program links
/// fg::device.
#define FG_REQUIRE_GPU() \
  if (fg::device::gpu_count() == 0) GTEST_SKIP() << "[gpu] there is no GPU"
