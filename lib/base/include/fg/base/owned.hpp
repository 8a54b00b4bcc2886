#pragma once

#include <utility>

namespace fg {

/// Owns one handle of a C library and gives it back exactly once. `none` is the empty handle.
template <typename Handle, auto release, Handle none>
class Owned {
public:
  Owned() noexcept = default;
  explicit Owned(Handle handle) noexcept : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, none)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { reset(); }

  Handle get() const noexcept { return handle_; }
  bool empty() const noexcept { return handle_ == none; }
  /// Lets go without releasing, for closes whose result must be looked at.
  Handle take() noexcept { return std::exchange(handle_, none); }
  void reset() noexcept {
    if (handle_ != none) release(std::exchange(handle_, none));
  }

private:
  Handle handle_ = none;
};

}  // namespace fg
