#include "fg/params/weights.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <unordered_map>

#include <ATen/ops/empty.h>

#include <fg/arch/tensor_names.hpp>
#include <fg/base/error.hpp>

namespace fg::params {
namespace {

constexpr std::int64_t piece_bytes = std::int64_t{8} << 20;

std::int64_t element_bytes(at::ScalarType type) {
  return static_cast<std::int64_t>(c10::elementSize(type));
}

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

/// Calls body(first element, piece) with pieces of `values`, none above piece_bytes in either type.
template <typename Body>
void for_pieces(const at::Tensor& values, at::ScalarType other, const Body& body) {
  const at::Tensor flat = values.view({-1});
  const std::int64_t width = std::max(flat.element_size(), element_bytes(other));
  for (std::int64_t first = 0; first < flat.numel(); first += piece_bytes / width)
    body(first, flat.narrow(0, first, std::min(piece_bytes / width, flat.numel() - first)));
}

void read_tensor(store::ModelWeights& weights, std::size_t source, const at::Tensor& values) {
  const at::ScalarType type = scalar_type_of(weights.tensors()[source].dtype);
  for_pieces(values, type, [&](std::int64_t first, const at::Tensor& piece) {
    const bool is_direct = type == piece.scalar_type() && piece.device().is_cpu();
    const at::Tensor buffer = is_direct ? piece : at::empty(piece.sizes(), type);
    weights.read(source, static_cast<std::uint64_t>(first) * c10::elementSize(type),
                 bytes_of(buffer));
    if (!is_direct) piece.copy_(buffer);
  });
}

/// A head that a tied model stores as well must be its embedding.
void compare_tied_head(store::ModelWeights& weights, std::size_t embedding,
                       const std::string& name) {
  const std::size_t head = weights.find(arch::head_name).value();
  const store::Dtype dtype = weights.tensors()[embedding].dtype;
  bool is_same = weights.tensors()[head].dtype == dtype &&
                 weights.tensors()[head].shape == weights.tensors()[embedding].shape;
  const std::uint64_t total = store::byte_count(weights.tensors()[embedding]);
  std::vector<std::byte> left(static_cast<std::size_t>(piece_bytes));
  std::vector<std::byte> right(left.size());
  for (std::uint64_t first = 0; is_same && first < total; first += left.size()) {
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(left.size(), total - first));
    weights.read(embedding, first, std::span(left).first(count));
    weights.read(head, first, std::span(right).first(count));
    is_same = std::memcmp(left.data(), right.data(), count) == 0;
  }
  if (!is_same)
    fail(ExitCode::cannot_load,
         name + ": config.json ties the head to the embedding, but " + arch::head_name +
             " differs from " + arch::embedding_name +
             "; set tie_word_embeddings to false, or remove the tensor that is wrong");
}

}  // namespace

at::ScalarType scalar_type_of(store::Dtype dtype) {
  switch (dtype) {
    case store::Dtype::boolean:
      return at::kBool;
    case store::Dtype::uint8:
      return at::kByte;
    case store::Dtype::int8:
      return at::kChar;
    case store::Dtype::int16:
      return at::kShort;
    case store::Dtype::int32:
      return at::kInt;
    case store::Dtype::int64:
      return at::kLong;
    case store::Dtype::float16:
      return at::kHalf;
    case store::Dtype::bfloat16:
      return at::kBFloat16;
    case store::Dtype::float32:
      return at::kFloat;
    case store::Dtype::float64:
      return at::kDouble;
  }
  fail(ExitCode::bug, "unknown dtype");
}

store::Dtype dtype_of(at::ScalarType type) {
  using store::Dtype;
  for (const Dtype dtype :
       {Dtype::float32, Dtype::bfloat16, Dtype::float16, Dtype::float64, Dtype::boolean,
        Dtype::uint8, Dtype::int8, Dtype::int16, Dtype::int32, Dtype::int64})
    if (scalar_type_of(dtype) == type) return dtype;
  fail(ExitCode::bug, std::string("no weight file holds ") + c10::toString(type));
}

void load(store::ModelWeights& weights, const arch::ModelConfig& config, const std::string& name,
          Parameters& parameters) {
  const arch::TensorCheck check = arch::check_tensors(config, weights.tensors());
  arch::require_tensors(check, name);
  const auto source_of = [&](const std::string& tensor) {
    constexpr std::size_t prefix = std::string_view("model.").size();
    return weights.find(check.lacks_prefix ? tensor.substr(prefix) : tensor).value();
  };
  if (check.has_tied_head) compare_tied_head(weights, source_of(arch::embedding_name), name);
  for (std::size_t index = 0; index < parameters.layout().logical.size(); ++index)
    read_tensor(weights, source_of(parameters.layout().logical[index].name),
                parameters.logical(index));
}

std::vector<store::TensorInfo> tensor_infos(const Layout& layout, store::Dtype dtype) {
  std::vector<store::TensorInfo> infos;
  for (const LogicalTensor& tensor : layout.logical)
    infos.push_back({tensor.name, dtype, {tensor.shape.begin(), tensor.shape.end()}});
  return infos;
}

void save(const Parameters& parameters, store::TensorFileWriter& writer) {
  std::unordered_map<std::string, std::size_t> held;
  for (std::size_t index = 0; index < parameters.layout().logical.size(); ++index)
    held.emplace(parameters.layout().logical[index].name, index);
  for (std::size_t target = 0; target < writer.tensors().size(); ++target) {
    const store::TensorInfo& info = writer.tensors()[target];
    const auto found = held.find(info.name);
    if (found == held.end()) continue;
    const at::ScalarType type = scalar_type_of(info.dtype);
    for_pieces(parameters.logical(found->second), type,
               [&](std::int64_t first, const at::Tensor& piece) {
                 const at::Tensor bytes = piece.to(at::kCPU, type);
                 writer.write(target, static_cast<std::uint64_t>(first) * c10::elementSize(type),
                              bytes_of(bytes));
               });
  }
}

}  // namespace fg::params
