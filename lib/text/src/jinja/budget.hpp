#pragma once

#include <cstddef>
#include <cstdint>

#include "jinja/failure.hpp"

namespace fg::text::jinja {

/// What one rendering may use. The defaults leave room for any honest template.
struct Limits {
  std::int64_t steps = 1'000'000;
  int call_depth = 64;          // macros and recursive loops inside each other
  int evaluation_depth = 1500;  // nodes of the tree inside each other, over all calls
  std::size_t output_bytes = std::size_t{8} << 20;
  std::size_t allocated_bytes = std::size_t{512} << 20;  // all strings and lists ever made
  std::size_t scanned_bytes = std::size_t{1} << 30;      // read by searches and comparisons
};

/// Counts what a rendering uses and refuses it beyond the limits, so that no template takes
/// unbounded time or memory.
class Budget {
public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  void step(std::int64_t count = 1) {
    steps_ += count;
    if (steps_ > limits_.steps)
      limit_failure("the template takes more than " + std::to_string(limits_.steps) + " steps");
  }
  void allocate(std::size_t bytes) {
    if (bytes > limits_.allocated_bytes - allocated_)
      limit_failure("the template uses more than " + std::to_string(limits_.allocated_bytes) +
                    " bytes of memory");
    allocated_ += bytes;
  }
  void scan(std::size_t bytes) {
    if (bytes > limits_.scanned_bytes - scanned_)
      limit_failure("the template compares or searches more than " +
                    std::to_string(limits_.scanned_bytes) + " bytes");
    scanned_ += bytes;
  }
  const Limits& limits() const { return limits_; }

private:
  Limits limits_;
  std::int64_t steps_ = 0;
  std::size_t allocated_ = 0;
  std::size_t scanned_ = 0;
};

}  // namespace fg::text::jinja
