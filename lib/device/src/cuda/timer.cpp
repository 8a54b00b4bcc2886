#include <ATen/cuda/CUDAEvent.h>

#include <fg/device/cuda_call.hpp>

#include "../events.hpp"

namespace fg::device {
namespace {

at::cuda::CUDAEvent& event_of(void* event) {
  return *static_cast<at::cuda::CUDAEvent*>(event);
}

}  // namespace

std::shared_ptr<void> record_event() {
  auto event = std::make_shared<at::cuda::CUDAEvent>(cudaEventDefault);
  event->record();
  return event;
}

void wait_for(void* event) {
  count_wait();
  event_of(event).synchronize();
}

double seconds_between(void* first, void* second) {
  return 1e-3 * static_cast<double>(event_of(first).elapsed_time(event_of(second)));
}

}  // namespace fg::device
