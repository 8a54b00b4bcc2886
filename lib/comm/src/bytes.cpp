#include <ATen/ops/from_blob.h>

#include <fg/comm/bytes.hpp>

namespace fg::comm {
namespace {

at::Tensor tensor_over(const std::byte* bytes, std::size_t size) {
  // Tensors know no constant memory; `send` only reads it.
  return at::from_blob(const_cast<std::byte*>(bytes), {static_cast<std::int64_t>(size)}, at::kByte);
}

}  // namespace

void send_bytes(Communicator& group, std::span<const std::byte> bytes, int to, int tag) {
  group.send(tensor_over(bytes.data(), bytes.size()), to, tag);
}

void recv_bytes(Communicator& group, std::span<std::byte> bytes, int from, int tag) {
  group.recv(tensor_over(bytes.data(), bytes.size()), from, tag);
}

}  // namespace fg::comm
