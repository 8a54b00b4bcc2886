#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <c10/core/Device.h>

namespace fg::device {

/// True in a build for NVIDIA GPUs (FG_CUDA).
bool is_built_for_gpus();

/// GPUs that this process may use, numbered as CUDA_VISIBLE_DEVICES leaves them; 0 without a driver
/// and in a build without CUDA.
int gpu_count();

struct Gpu {
  std::string name;
  std::uint64_t bytes = 0;  // of its memory
  int major = 0;            // compute capability
  int minor = 0;
  int multiprocessors = 0;

  bool has_bfloat16() const noexcept { return major >= 8; }
};

/// Error(usage) naming the count where there is no such GPU.
Gpu describe_gpu(int index);

/// The name that a GPU has in every process, "GPU-…" as nvidia-smi -L prints it.
std::string gpu_id(int index);

/// The names of all GPUs that this process sees, by comma; empty where there are none, or where
/// they cannot be asked.
std::string visible_gpus();

/// The device of the process that is number `turn` among those of its machine that see the same
/// GPUs. `words`: "auto" (its GPU where there are any, else the CPU), "cpu", or the GPUs to use,
/// "0,1,3". Error(usage) for what is not there, and for a GPU without bfloat16, by name.
c10::Device choose_device(std::string_view words, int turn);

/// Makes `device` this thread's own, before the first tensor on it; nothing for the CPU. The memory
/// that LibTorch keeps there grows in place, so that batches of many sizes do not split it.
void use(c10::Device device);

/// How many threads operations on the CPU take. Before the first of them.
void use_threads(int count);

/// Every operation of LibTorch and every kernel gives the same bits each time, or none is run that
/// cannot (attention's backward pass then takes its slower form).
void set_deterministic(bool is_wanted);

/// Waits until all work on `device` is done. Counts as a wait; nothing for the CPU.
void synchronise(c10::Device device);

/// How often the host has waited for a GPU in this process.
std::uint64_t host_waits();

/// "CUDA 13.0"; empty in a build without CUDA.
std::string cuda_version();

/// What this build's kernels are for, "89 90"; empty in a build without CUDA.
std::string kernel_architectures();

}  // namespace fg::device
