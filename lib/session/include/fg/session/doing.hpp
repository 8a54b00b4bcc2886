#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fg::session {

/// What `pulse.hpp` was told last, for reports.
struct Doing {
  std::string section;
  std::uint64_t number = 0;
  std::vector<int> waits_for;  // ranks of the world; of many the first
  std::string waits_in;        // "recv"; empty: it waits for nobody
};

/// Of this process. Any thread.
Doing doing();

}  // namespace fg::session
