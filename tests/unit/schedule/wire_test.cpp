#include <gtest/gtest.h>

#include <fg/schedule/wire.hpp>
#include <fg/test/expect_error.hpp>

namespace {

using namespace fg::schedule;
using fg::ExitCode;
using fg::test::expect_error;

TEST(BytesOnWire, CountHeadersAndAcknowledgements) {
  // 1448 bytes fill a segment of MTU 1500: 66 bytes of headers, one acknowledgement.
  const std::vector<Traffic> full = {{0, 1, 1, 1514}, {1, 0, 0, 66}};
  EXPECT_EQ(bytes_on_wire({{0, 1, 1, 1448}}), full);
  const std::vector<Traffic> spilled = {{0, 1, 1, 1449 + 2 * 66}, {1, 0, 0, 66}};
  EXPECT_EQ(bytes_on_wire({{0, 1, 1, 1449}}), spilled);
}

TEST(BytesOnWire, AddUpBothDirections) {
  const std::uint64_t activation = 2048 * 4096 * 2;  // Llama-2-7B, a row of 2048
  const std::uint64_t segments = 11587;
  const std::uint64_t both = activation + segments * 66 + (segments + 1) / 2 * 66;
  const std::vector<Traffic> expected = {{0, 1, 1, both}, {1, 0, 1, both}};
  EXPECT_EQ(bytes_on_wire({{0, 1, 1, activation}, {1, 0, 1, activation}}), expected);
}

TEST(BytesOnWire, TakeOtherFramesAndMessageHeaders) {
  Framing framing;
  framing.mtu = 9000;
  framing.segments_per_ack = 0;
  framing.message_header = 64;
  const std::vector<Traffic> expected = {{2, 3, 10, 10 * (1000 + 64 + 66)}};
  EXPECT_EQ(bytes_on_wire({{2, 3, 10, 10000}}, framing), expected);
  EXPECT_TRUE(bytes_on_wire({}).empty());
  EXPECT_TRUE(bytes_on_wire({{0, 1, 0, 0}}).empty());
}

TEST(BytesOnWire, RefuseAnMtuWithoutRoom) {
  Framing framing;
  framing.mtu = 52;
  expect_error(ExitCode::usage, "an MTU of 52 has no room", [&] {
    bytes_on_wire({{0, 1, 1, 10}}, framing);
  });
  expect_error(ExitCode::usage, "no room", [&] { payload_rate(1e9, framing); });
}

TEST(PayloadRate, IsWhatEthernetCarries) {
  EXPECT_NEAR(payload_rate(1e9), 117.7e6, 0.05e6);
  EXPECT_NEAR(payload_rate(10e9) / payload_rate(1e9), 10, 1e-9);
  Framing jumbo;
  jumbo.mtu = 9000;
  EXPECT_NEAR(payload_rate(1e9, jumbo), 123.8e6, 0.1e6);
}

}  // namespace
