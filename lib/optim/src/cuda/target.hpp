#pragma once

#include <span>

#include <fg/device/cuda_call.hpp>
#include <fg/optim/optimizer.hpp>

#include "../moments.hpp"
#include "kernels.hpp"

namespace fg::optim::cuda {

/// A tensor on a GPU as rows. Error(usage) naming the type where it is neither float32 nor
/// bfloat16.
kernels::Rows rows_of(const at::Tensor& tensor);
kernels::Element element_of(const at::Tensor& tensor);

/// Every group of eight elements of a row begins at a 16-byte boundary, and none is cut short.
bool lies_by_eights(const kernels::Rows& rows, std::int64_t count, std::int64_t columns);

/// The piece, and what must not be written while which flag is raised. Checks as the CPU's Work.
/// `joined`: rows that follow each other without gaps are taken as one, for updates that look at
/// each element alone.
kernels::Target target_of(const Piece& piece, const OptimizerOptions& options, const StepInfo& info,
                          const GradientCheck* check, bool joined);

/// How the moment `name` is rounded.
kernels::Rounding moment_rounding(const Piece& piece, const OptimizerOptions& options,
                                  const StepInfo& info, const char* name);

/// The age where it lies.
std::int64_t* age_of(State& state);

bool age_is_kept();  // a planted fault

/// Memory for one update, cut into arrays that begin at 16-byte boundaries.
class Scratch {
public:
  /// Adds an array; its place is known once `allocate` has been called.
  template <typename T>
  void add(T*& place, std::int64_t count) {
    parts_.push_back({reinterpret_cast<void**>(&place), bytes_});
    bytes_ += (count * static_cast<std::int64_t>(sizeof(T)) + 15) / 16 * 16;
  }
  void allocate(at::Device device);

private:
  struct Part {
    void** place;
    std::int64_t offset;
  };
  std::vector<Part> parts_;
  std::int64_t bytes_ = 0;
  at::Tensor memory_;
};

}  // namespace fg::optim::cuda
