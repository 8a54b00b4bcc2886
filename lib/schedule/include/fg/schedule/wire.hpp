#pragma once

#include <cstdint>
#include <vector>

#include <fg/schedule/simulate.hpp>

namespace fg::schedule {

/// How a stream of bytes becomes frames: TCP over IPv4 with time stamps over Ethernet.
struct Framing {
  int mtu = 1500;                    // bytes of an IP packet
  int ip_tcp_header = 20 + 32;       // inside the MTU
  int link_header = 14;              // outside it; counted by an interface
  int link_gap = 24;                 // check sum, preamble and gap: on the wire, counted by none
  int segments_per_ack = 2;          // 0: none
  std::uint64_t message_header = 0;  // of the transport, once a message
};

/// Bytes that the interfaces count between ranks that send `payload`: frames with their headers,
/// and each one's acknowledgements on the way back. Sorted by pair. Error(usage) where no byte of a
/// packet would be payload.
std::vector<Traffic> bytes_on_wire(const std::vector<Traffic>& payload,
                                   const Framing& framing = {});

/// Payload bytes a second on a link of so many bits a second, one way: 1e9 and MTU 1500 give
/// 117.7 MB/s.
double payload_rate(double bits_per_second, const Framing& framing = {});

}  // namespace fg::schedule
