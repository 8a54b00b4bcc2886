#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fg::log {

/// The messages of TensorBoard's event.proto and summary.proto that we write, as protobuf bytes.
/// Strings must be UTF-8.
struct EventStamp {
  double wall_time = 0;  // seconds since 1970
  std::int64_t step = 0;
};
std::string file_version_event(EventStamp stamp);
std::string session_start_event(EventStamp stamp);
std::string scalar_event(EventStamp stamp, std::string_view tag, float value);
std::string text_event(EventStamp stamp, std::string_view tag, std::string_view text);

/// One TFRecord: length, its masked CRC-32C, the bytes, their masked CRC-32C.
std::string framed(std::string_view message);

}  // namespace fg::log
