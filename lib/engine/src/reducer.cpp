#include "reducer.hpp"

#include <algorithm>

#include <ATen/ops/cat.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

namespace fg::engine {
namespace {

/// Tensors below this travel together, until they come to as much.
constexpr std::int64_t small_elements = 1 << 20;

}  // namespace

Reducer::Reducer(params::Gradients& gradients, const params::Layout& layout,
                 comm::Communicator& replicas)
    : gradients_(gradients), replicas_(replicas), message_of_(layout.logical.size()) {
  std::vector<std::size_t> small;
  std::int64_t small_sum = 0;
  const auto close = [&] {
    if (!small.empty()) messages_.emplace_back(std::exchange(small, {}));
    small_sum = 0;
  };
  // The backward pass makes the last tensors first.
  for (std::size_t index = layout.logical.size(); index-- > 0;) {
    const std::int64_t elements = layout.logical[index].elements();
    if (elements >= small_elements) {
      messages_.emplace_back(std::vector{index});
      continue;
    }
    small.push_back(index);
    small_sum += elements;
    if (small_sum >= small_elements) close();
  }
  close();
  // A message is ready with the earliest of its tensors.
  std::ranges::sort(messages_, std::ranges::greater(),
                    [](const Message& message) { return message.logical.back(); });
  for (std::size_t index = 0; index < messages_.size(); ++index)
    for (const std::size_t logical : messages_[index].logical) message_of_[logical] = index;
  gradients_.on_complete([this](std::size_t logical, const at::Tensor&) { mark_ready(logical); });
}

void Reducer::begin(bool all_ready) {
  started_ = 0;
  for (Message& message : messages_) message.waits_for = all_ready ? 0 : message.logical.size();
}

void Reducer::mark_ready(std::size_t logical) {
  Message& message = messages_[message_of_[logical]];
  FG_CHECK(message.waits_for > 0);
  --message.waits_for;
  static const bool begins_late = fault_planted("engine.sums_begin_late");
  if (!begins_late) start_what_is_ready();
}

void Reducer::start_what_is_ready() {
  while (started_ < messages_.size() && messages_[started_].waits_for == 0)
    start(messages_[started_++]);
}

void Reducer::start(Message& message) {
  static const bool forgets_one = fault_planted("engine.small_gradients_not_summed");
  if (message.logical.size() == 1) {
    message.packed = gradients_.logical(message.logical.front());
  } else {
    std::vector<at::Tensor> flat;
    for (const std::size_t logical : message.logical)
      flat.push_back(gradients_.logical(logical).view(-1));
    message.packed = at::cat(flat);
    if (forgets_one) return;
  }
  message.sum = replicas_.begin_all_reduce_sum(message.packed);
}

void Reducer::finish(const std::function<void(std::size_t logical)>& done) {
  start_what_is_ready();
  FG_CHECK(started_ == messages_.size());
  fail_point("train.reduction");
  for (Message& message : messages_) {
    message.sum.wait();
    std::int64_t offset = 0;
    for (const std::size_t logical : message.logical) {
      if (message.logical.size() > 1) {
        at::Tensor gradient = gradients_.logical(logical);
        gradient.copy_(message.packed.narrow(0, offset, gradient.numel()).view(gradient.sizes()));
        offset += gradient.numel();
      }
      done(logical);
    }
    message.packed = at::Tensor();
  }
}

}  // namespace fg::engine
