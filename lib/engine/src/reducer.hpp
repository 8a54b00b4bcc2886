#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/comm/communicator.hpp>
#include <fg/params/gradients.hpp>

namespace fg::engine {

/// Adds gradients up over ranks that each have all parameters, beside the backward pass that makes
/// them: one message a large tensor, small ones together, always in the same order (that of the
/// backward pass), which is that of all ranks whatever microbatches they have. The sums are those
/// of Communicator::all_reduce_sum in the buffer's type.
class Reducer {
public:
  /// Takes the gradients' hook. All must outlive this; gradients are kept.
  Reducer(params::Gradients& gradients, const params::Layout& layout, comm::Communicator& replicas);

  /// Begins a step. `all_ready`: this rank has no microbatch of it, and its gradients are zero.
  void begin(bool all_ready);
  /// Once the backward passes are done: calls back for each logical tensor as its sum is there.
  void finish(const std::function<void(std::size_t logical)>& done);
  /// Messages of this step that are under way or done.
  std::size_t begun() const noexcept { return started_; }

private:
  struct Message {
    explicit Message(std::vector<std::size_t> tensors) : logical(std::move(tensors)) {}

    std::vector<std::size_t> logical;
    std::size_t waits_for = 0;  // of them, not ready yet
    at::Tensor packed;          // what travels
    comm::Pending sum;
  };

  void mark_ready(std::size_t logical);
  void start_what_is_ready();
  void start(Message& message);

  params::Gradients& gradients_;
  comm::Communicator& replicas_;
  std::vector<Message> messages_;
  std::vector<std::size_t> message_of_;  // by logical tensor
  std::size_t started_ = 0;
};

}  // namespace fg::engine
