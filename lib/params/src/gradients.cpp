#include "fg/params/gradients.hpp"

#include <algorithm>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

namespace fg::params {

Gradients::Gradients(const Parameters& parameters, std::optional<at::ScalarType> kept)
    : parameters_(parameters), kept_(kept), slots_(parameters.layout().fused.size()) {
  if (!kept_) return;
  for (std::size_t index = 0; index < slots_.size(); ++index)
    slots_[index].kept = at::zeros(parameters.layout().fused[index].shape,
                                   at::TensorOptions(*kept_).device(parameters.device()));
}

void Gradients::start_step(std::int64_t microbatches) {
  FG_CHECK(microbatches >= 0);
  FG_CHECK(kept_ || microbatches == 1);
  for (std::size_t index = 0; index < slots_.size(); ++index) {
    FG_CHECK(slots_[index].parts == 0 || is_complete(index));
    slots_[index].parts = 0;
  }
  microbatches_ = microbatches;
  static const bool keeps_old = fault_planted("params.idle_gradients_not_zeroed");
  if (microbatches == 0 && !keeps_old)
    for (Slot& slot : slots_) slot.kept.zero_();
}

at::Tensor Gradients::scratch_for(std::size_t fused) {
  const FusedTensor& tensor = parameters_.layout().fused[fused];
  const auto options = at::TensorOptions(parameters_.type()).device(parameters_.device());
  Slot& slot = slots_[fused];
  if (tensor.gradient_parts > 1) {
    if (!slot.own_scratch.defined()) slot.own_scratch = at::empty(tensor.shape, options);
    return slot.own_scratch;
  }
  FG_CHECK(!scratch_user_ || *scratch_user_ == fused);
  scratch_user_ = fused;
  if (!scratch_.defined()) {
    std::int64_t largest = 0;
    for (const FusedTensor& each : parameters_.layout().fused)
      if (each.gradient_parts == 1) largest = std::max(largest, each.elements());
    scratch_ = at::empty({largest}, options);
  }
  return scratch_.narrow(0, 0, tensor.elements()).view(tensor.shape);
}

bool Gradients::has_part(std::size_t fused) const {
  return slots_[fused].parts % parameters_.layout().fused[fused].gradient_parts != 0;
}

bool Gradients::is_complete(std::size_t fused) const {
  return slots_[fused].parts == microbatches_ * parameters_.layout().fused[fused].gradient_parts;
}

at::Tensor Gradients::begin(std::size_t fused) {
  static const bool loses_part = fault_planted("params.tied_part_lost");
  Slot& slot = slots_[fused];
  FG_CHECK(microbatches_ > 0 && !is_complete(fused));
  if (has_part(fused)) {
    if (loses_part) slot.current.zero_();
    return slot.current;
  }
  FG_CHECK(!slot.current.defined());
  const bool is_direct = kept_ && slot.parts == 0 && *kept_ == parameters_.type();
  slot.current = is_direct ? slot.kept : scratch_for(fused);
  return slot.current;
}

std::optional<Gradients::Total> Gradients::begin_total(std::size_t fused) {
  Slot& slot = slots_[fused];
  const bool is_whole = parameters_.layout().fused[fused].gradient_parts == 1;
  if (!kept_ || !is_whole || !parameters_.device().is_cuda()) return std::nullopt;
  FG_CHECK(microbatches_ > 0 && !is_complete(fused) && !slot.current.defined());
  slot.current = slot.kept;
  return Total{slot.kept, slot.parts == 0};
}

void Gradients::finish(std::size_t fused) {
  static const bool overwrites = fault_planted("params.microbatch_overwrites");
  Slot& slot = slots_[fused];
  FG_CHECK(slot.current.defined());
  const bool is_first = slot.parts < parameters_.layout().fused[fused].gradient_parts;
  ++slot.parts;
  if (has_part(fused)) return;
  const at::Tensor formed = std::exchange(slot.current, at::Tensor());
  if (kept_ && !formed.is_same(slot.kept)) {
    if (is_first || overwrites)
      slot.kept.copy_(formed);
    else
      slot.kept.add_(formed);
  }
  if (is_complete(fused) && hook_) hand_over(fused, kept_ ? slot.kept : formed);
  if (scratch_user_ == fused) scratch_user_.reset();
}

void Gradients::hand_over(std::size_t fused, const at::Tensor& gradient) {
  for (const std::size_t index : parameters_.layout().fused[fused].logical)
    hook_(index, logical_view(gradient, parameters_.layout().logical[index]));
}

void Gradients::join_tied() {
  static const bool forgets_head = fault_planted("params.tied_head_not_joined");
  for (std::size_t index = 0; index < slots_.size(); ++index) {
    const auto embedding = parameters_.layout().fused[index].shares_value_of;
    if (!embedding || forgets_head) continue;
    FG_CHECK(kept_ && is_complete(index) && is_complete(*embedding));
    slots_[*embedding].kept.add_(slots_[index].kept);
  }
}

at::Tensor Gradients::logical(std::size_t index) const {
  FG_CHECK(kept_.has_value());
  const LogicalTensor& tensor = parameters_.layout().logical[index];
  return logical_view(slots_[tensor.fused].kept, tensor);
}

std::int64_t Gradients::kept_bytes() const {
  std::int64_t bytes = 0;
  for (const Slot& slot : slots_)
    if (slot.kept.defined()) bytes += static_cast<std::int64_t>(slot.kept.nbytes());
  return bytes;
}

std::int64_t gradient_bytes(const Layout& layout, at::ScalarType type,
                            std::optional<at::ScalarType> kept, std::int64_t microbatches) {
  std::int64_t all = 0;
  std::int64_t largest = 0;
  std::int64_t in_parts = 0;
  for (const FusedTensor& tensor : layout.fused) {
    all += tensor.elements();
    if (tensor.gradient_parts > 1)
      in_parts += tensor.elements();
    else
      largest = std::max(largest, tensor.elements());
  }
  const auto bytes_of = [](at::ScalarType each) {
    return static_cast<std::int64_t>(c10::elementSize(each));
  };
  const bool is_direct = kept == type && microbatches == 1;
  const std::int64_t scratch = is_direct ? 0 : (largest + in_parts) * bytes_of(type);
  return (kept ? all * bytes_of(*kept) : 0) + scratch;
}

}  // namespace fg::params
