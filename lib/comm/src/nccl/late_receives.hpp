#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "on_stream.hpp"

namespace fg::comm {

/// Receives of a group for near messages that have been issued, but not been put on its stream.
class LateReceives : public std::enable_shared_from_this<LateReceives> {
public:
  using Begin = std::function<std::unique_ptr<OnStream>(const at::Tensor& values, int from,
                                                        const Waiting& waiting)>;

  /// `begin` puts one on the stream. It must not be asked any more after `forget`.
  explicit LateReceives(Begin begin) : begin_(std::move(begin)) {}

  std::unique_ptr<Transfer> add(const at::Tensor& values, int from, const Waiting& waiting);
  /// Begins all that wait, in their order: before any other operation of the group.
  void begin_all();
  /// Those that have not begun never will.
  void forget() noexcept { late_.clear(); }

private:
  struct Late;
  class Transferred;
  void begin_through(const Late& last);
  void begin_first();

  Begin begin_;
  std::deque<std::shared_ptr<Late>> late_;
};

}  // namespace fg::comm
