#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fg/session/watchdog.hpp>

namespace fg::session {

/// What a rank tells of itself. Sent as bytes.
struct Beat {
  static constexpr std::size_t most_waits = 16;

  std::array<char, 32> section{'s', 't', 'a', 'r', 't'};
  std::uint64_t number = 0;
  std::uint64_t progress = 0;       // grows with everything the rank does
  double section_timeout_s = 0;     // 0: none
  double still_s = 0;               // since progress last grew, as the rank itself has counted
  std::array<char, 32> waits_in{};  // "recv"
  std::array<std::int32_t, most_waits> waits_for{};
  std::int32_t waits = 0;   // how many of them
  std::int32_t leaves = 0;  // 1: its watchdog ends, so nothing more is to be expected
};

/// What `pulse.hpp` was told, but for still_s and leaves. Any thread.
Beat read_pulse();

/// What is known of a rank.
struct RankState {
  Beat beat;
  double silent_s = 0;  // since it was last heard
};
using RankStates = std::vector<RankState>;

/// True of a rank that has not left and was not heard of for longer than `seconds`.
bool is_silent(const RankState& state, double seconds);

/// Who is to blame, if anybody: the ranks that have been silent for longer than `timeout_s`; else
/// those that wait for nobody and have not moved for longer than their section allows.
std::optional<Verdict> judge(const RankStates& states, const std::vector<std::string>& hosts,
                             double timeout_s);

/// Who is behind where these ranks are waited for: along who waits for whom to ranks that wait for
/// nobody, or are silent (for more than `silent_s`). A sentence without a full stop.
std::string find_culprit(const RankStates& states, const std::vector<std::string>& hosts,
                         const std::vector<int>& waited_for, double silent_s);

}  // namespace fg::session
