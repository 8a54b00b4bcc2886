#include <map>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/schedule/wire.hpp>

namespace fg::schedule {
namespace {

std::uint64_t segment_payload(const Framing& framing) {
  if (framing.mtu <= framing.ip_tcp_header || framing.ip_tcp_header < 0 ||
      framing.link_header < 0 || framing.link_gap < 0 || framing.segments_per_ack < 0)
    fail(ExitCode::usage, "an MTU of " + std::to_string(framing.mtu) + " has no room beside " +
                              std::to_string(framing.ip_tcp_header) + " bytes of headers");
  return static_cast<std::uint64_t>(framing.mtu - framing.ip_tcp_header);
}

std::uint64_t pieces(std::uint64_t whole, std::uint64_t piece) {
  return (whole + piece - 1) / piece;
}

}  // namespace

std::vector<Traffic> bytes_on_wire(const std::vector<Traffic>& payload, const Framing& framing) {
  const std::uint64_t room = segment_payload(framing);
  const auto header = static_cast<std::uint64_t>(framing.ip_tcp_header + framing.link_header);
  std::map<std::pair<int, int>, Traffic> sums;
  for (const Traffic& pair : payload) {
    if (pair.messages == 0) continue;
    const std::uint64_t each = pieces(pair.bytes, pair.messages) + framing.message_header;
    const std::uint64_t segments = pieces(each, room) * pair.messages;
    Traffic& there = sums[{pair.from, pair.to}];
    there.messages += pair.messages;
    there.bytes += pair.bytes + pair.messages * framing.message_header + segments * header;
    if (framing.segments_per_ack == 0) continue;
    const auto acks = pieces(segments, static_cast<std::uint64_t>(framing.segments_per_ack));
    sums[{pair.to, pair.from}].bytes += acks * header;
  }
  std::vector<Traffic> result;
  for (const auto& [pair, sum] : sums)
    result.push_back({pair.first, pair.second, sum.messages, sum.bytes});
  return result;
}

double payload_rate(double bits_per_second, const Framing& framing) {
  const auto room = static_cast<double>(segment_payload(framing));
  return bits_per_second / 8 * room / (framing.mtu + framing.link_header + framing.link_gap);
}

}  // namespace fg::schedule
