#pragma once

#include <cstddef>
#include <span>

#include <fg/comm/communicator.hpp>

namespace fg::comm {

/// Communicator::send and ::recv for plain bytes in host memory, as tensors of bytes. Both block.
void send_bytes(Communicator& group, std::span<const std::byte> bytes, int to, int tag = 0);
void recv_bytes(Communicator& group, std::span<std::byte> bytes, int from, int tag = 0);

}  // namespace fg::comm
