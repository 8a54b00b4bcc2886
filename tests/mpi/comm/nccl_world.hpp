#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

#include <ATen/cuda/Sleep.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fg/device/device.hpp>

#include "world.hpp"

namespace fg::comm {

/// This rank's GPU; the ranks of these tests are on one machine.
inline at::Device own_gpu() {
  return {at::kCUDA, static_cast<c10::DeviceIndex>(test::mpi_session().rank())};
}

/// All ranks, on GPUs. A stall ends the test program with code 7 and its sentence.
inline std::unique_ptr<Communicator> gpu_world(double simulate_bytes_per_second = 0) {
  Options options;
  options.timeout_s = 30;
  options.simulate_bytes_per_second = simulate_bytes_per_second;
  options.on_stall = [](const std::string& sentence) {
    std::fprintf(stderr, "stall: %s\n", sentence.c_str());
    ::_exit(7);
  };
  return Communicator::connect(test::mpi_session(), options, own_gpu());
}

inline at::TensorOptions on_gpu(at::ScalarType type) {
  return at::TensorOptions(type).device(own_gpu());
}

inline at::Tensor counting_on_gpu(at::ScalarType type, at::IntArrayRef shape, double first) {
  return counting(type, shape, first).to(own_gpu());
}

/// Holds up the current stream.
inline void spin(double milliseconds) {
  at::cuda::sleep(static_cast<std::int64_t>(milliseconds * 2e6));  // cycles, of about 2 GHz
}

/// Of what has been queued.
inline void finish() {
  device::synchronise(own_gpu());
}

class Stopwatch {
public:
  double milliseconds() const {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin_).count();
  }

private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin_ = Clock::now();
};

/// With what all tests share, since NCCL takes its time to begin. One or two ranks.
class NcclOnGpu : public testing::Test {
protected:
  static void SetUpTestSuite() {
    if (test::mpi_session().size() > 2 || device::gpu_count() < test::mpi_session().size()) return;
    device::use(own_gpu());
    all = gpu_world();
    there = all->group(all->world_ranks(), Traffic::messages);
    back = all->group(all->world_ranks(), Traffic::messages);
    near_there = all->group(all->world_ranks(), Traffic::near_messages);
    near_back = all->group(all->world_ranks(), Traffic::near_messages);
  }
  static void TearDownTestSuite() {
    near_back.reset();
    near_there.reset();
    back.reset();
    there.reset();
    all.reset();
  }
  void SetUp() override {
    if (!all) GTEST_SKIP() << "[gpu] there are not as many GPUs as ranks (one or two)";
    all->barrier();
  }

  static bool is_alone() { return all->size() == 1; }
  static bool is_first() { return all->rank() == 0; }
  static int peer() { return all->size() - 1 - all->rank(); }
  /// Messages of rank 0 go by the one and those of rank 1 by the other.
  static Communicator& out() { return is_first() ? *there : *back; }
  static Communicator& in() { return is_first() && !is_alone() ? *back : *there; }

  static inline std::unique_ptr<Communicator> all, there, back, near_there, near_back;
};

}  // namespace fg::comm
