#include <fg/base/error.hpp>
#include <fg/device/device.hpp>
#include <fg/device/memory.hpp>
#include <fg/device/parking.hpp>
#include <fg/device/transfer.hpp>

#include "events.hpp"

// A build without CUDA: there is no GPU, and tensors are the CPU's.
namespace fg::device {

bool is_built_for_gpus() {
  return false;
}

int gpu_count() {
  return 0;
}

Gpu describe_gpu(int index) {
  fail(ExitCode::usage,
       "GPU " + std::to_string(index) +
           " was asked for, but this build has no CUDA; build with the preset gpu");
}

std::string gpu_id(int index) {
  describe_gpu(index);
  return {};
}

std::string visible_gpus() {
  return {};
}

void use(c10::Device device) {
  if (!device.is_cpu()) describe_gpu(device.index());
}

void synchronise(c10::Device) {}

c10::Device choose_device(std::string_view words, int) {
  if (words != "auto" && words != "cpu")
    fail(ExitCode::usage, "--devices " + std::string(words) +
                              ": this build computes on the CPU and has no devices to choose");
  return c10::kCPU;
}

std::string cuda_version() {
  return {};
}

std::string kernel_architectures() {
  return {};
}

Memory memory_of(c10::Device) {
  return {};
}

void reset_peak(c10::Device) {}

void release_unused(c10::Device) {}

std::shared_ptr<void> record_event() {
  fail(ExitCode::bug, "record_event: this build has no CUDA");
}

void wait_for(void*) {}

double seconds_between(void*, void*) {
  return 0;
}

at::Tensor upload(const at::Tensor& host, at::Device device) {
  FG_CHECK(device.is_cpu());
  return host;
}

Parking::Parking(at::Device device) : device_(device) {
  FG_CHECK(device.is_cpu());
}

std::shared_ptr<Parked> Parking::park(const at::Tensor& tensor) {
  auto parked = std::make_shared<Parked>();
  parked->back = tensor;
  return parked;
}

void Parking::fetch(Parked&) {}

at::Tensor Parking::take(Parked& parked) {
  return parked.back;
}

Readback::Readback(const at::Tensor& source) : host_(source.clone()) {}

const at::Tensor& Readback::values() {
  FG_CHECK(is_pending());
  return host_;
}

}  // namespace fg::device
