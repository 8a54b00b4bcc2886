#include "event_message.hpp"

#include <bit>

#include "crc32c.hpp"

namespace fg::log {
namespace {

template <typename Number>
void append_little_endian(std::string& bytes, Number number) {
  for (std::size_t at = 0; at < sizeof(number); ++at)
    bytes += static_cast<char>(number >> (8 * at) & 0xFF);
}

/// A protobuf message under construction (protobuf.dev/programming-guides/encoding).
class Message {
public:
  Message& whole_number(int field, std::int64_t value) {
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Message& real64(int field, double value) {
    key(field, 1);
    append_little_endian(bytes_, std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  Message& real32(int field, float value) {
    key(field, 5);
    append_little_endian(bytes_, std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  Message& bytes(int field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return bytes(field, value.bytes_); }
  const std::string& text() const noexcept { return bytes_; }

private:
  void key(int field, unsigned type) { varint(static_cast<unsigned>(field) << 3 | type); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

Message event(EventStamp stamp) {
  return Message().real64(1, stamp.wall_time).whole_number(2, stamp.step);
}

}  // namespace

std::string file_version_event(EventStamp stamp) {
  return event(stamp).bytes(3, "brain.Event:2").text();
}

std::string session_start_event(EventStamp stamp) {
  constexpr int start = 1;  // SessionLog.SessionStatus
  return event(stamp).message(7, Message().whole_number(1, start)).text();
}

std::string scalar_event(EventStamp stamp, std::string_view tag, float value) {
  const Message entry = Message().bytes(1, tag).real32(2, value);
  return event(stamp).message(5, Message().message(1, entry)).text();
}

std::string text_event(EventStamp stamp, std::string_view tag, std::string_view text) {
  constexpr int string_type = 7;  // DataType.DT_STRING
  constexpr int tensor_data = 2;  // DataClass.DATA_CLASS_TENSOR
  const Message shape = Message().message(2, Message().whole_number(1, 1));
  const Message tensor = Message().whole_number(1, string_type).message(2, shape).bytes(8, text);
  const Message plugin = Message().bytes(1, "text");
  const Message metadata = Message().message(1, plugin).whole_number(4, tensor_data);
  const Message entry = Message().bytes(1, tag).message(8, tensor).message(9, metadata);
  return event(stamp).message(5, Message().message(1, entry)).text();
}

std::string framed(std::string_view message) {
  std::string record;
  append_little_endian(record, std::uint64_t{message.size()});
  append_little_endian(record, masked_crc32c(record));
  record += message;
  append_little_endian(record, masked_crc32c(message));
  return record;
}

}  // namespace fg::log
