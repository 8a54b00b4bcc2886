#include "on_stream.hpp"

#include <utility>

#include "watch.hpp"

namespace fg::comm {

OnStream::OnStream(std::shared_ptr<Link> link, std::shared_ptr<Link::Queued> queued,
                   at::Tensor values)
    : link_(std::move(link)), queued_(std::move(queued)), values_(std::move(values)) {}

OnStream::~OnStream() {
  if (!is_ordered_) link_->keep(*queued_, std::move(values_));
}

bool OnStream::advance() {
  Watch::of_process().rethrow();
  is_ordered_ = is_ordered_ || queued_->end.query();
  return is_ordered_;
}

void OnStream::finish(const Waiting&) {
  Watch::of_process().rethrow();
  link_->order_current_behind(*queued_);
  is_ordered_ = true;
}

}  // namespace fg::comm
