#pragma once

#include <string_view>

#include <fg/base/build_options.hpp>

namespace fg {
namespace detail {
void fail_point_reached(std::string_view name);
bool is_planted(std::string_view name);
}  // namespace detail

/// A named place where a test can make this process fail: FG_FAIL=name:ACTION, of kill, stop,
/// abort, throw, exit, sleep=SECONDS and signal=NUMBER, with an optional @N for the N-th time it is
/// reached (1 = first, the default); several are separated by commas. Costs nothing in builds
/// without failpoints. Any thread.
inline void fail_point(std::string_view name) {
  if constexpr (failpoints_built) detail::fail_point_reached(name);
}

/// True if FG_PLANT names this fault: the caller then does the named wrong thing, and a test must
/// turn red (scripts/check_the_checks.sh). Constant false in builds without failpoints. In a hot
/// loop keep the answer in a local constant.
inline bool fault_planted(std::string_view name) {
  if constexpr (failpoints_built) return detail::is_planted(name);
  return false;
}

}  // namespace fg
