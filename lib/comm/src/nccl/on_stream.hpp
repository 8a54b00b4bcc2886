#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "link.hpp"

namespace fg::comm {

/// What goes on on a link's stream, with the tensor that it reads or writes.
class OnStream final : public Transfer {
public:
  OnStream(std::shared_ptr<Link> link, std::shared_ptr<Link::Queued> queued, at::Tensor values);
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;
  /// What the current stream is not ordered behind keeps its memory.
  ~OnStream() override;

  bool advance() override;
  void finish(const Waiting& waiting) override;
  std::size_t moved() const noexcept override { return 0; }
  int world_peer() const noexcept override { return queued_->operation.peers.front(); }

private:
  std::shared_ptr<Link> link_;
  std::shared_ptr<Link::Queued> queued_;
  at::Tensor values_;
  bool is_ordered_ = false;
};

}  // namespace fg::comm
