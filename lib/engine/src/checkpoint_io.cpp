#include <fg/engine/checkpoint_io.hpp>

#include <cstddef>
#include <span>
#include <string>

#include <fg/base/error.hpp>
#include <fg/params/weights.hpp>

namespace fg::engine {
namespace {

std::vector<std::uint64_t> unsigned_shape(const std::vector<std::int64_t>& shape) {
  return {shape.begin(), shape.end()};
}

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  FG_CHECK(tensor.is_contiguous());
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

store::TensorInfo info_of(const params::LogicalTensor& tensor, at::ScalarType type) {
  return {tensor.name, params::dtype_of(type), unsigned_shape(tensor.shape)};
}

/// The logical name and type of one piece of a parameter's optimizer state.
store::TensorInfo info_of(const optim::OptimizerSet::Entry& entry, const optim::StateSpec& spec) {
  return {entry.assignment.parameter.name + "." + spec.name, params::dtype_of(spec.dtype),
          unsigned_shape(spec.shape)};
}

std::string described(const store::TensorInfo& info) {
  std::string text(store::name_of(info.dtype));
  for (std::size_t index = 0; index < info.shape.size(); ++index)
    text += (index == 0 ? " [" : ", ") + std::to_string(info.shape[index]);
  return text + (info.shape.empty() ? "" : "]");
}

void require(const checkpoint::Reader& reader, store::TensorUse use,
             const store::TensorInfo& wanted) {
  const store::TensorInfo* found = reader.find(use, wanted.name);
  const std::string where = "checkpoint of step " + std::to_string(reader.step()) + ": " +
                            std::string(store::name_of(use)) + ": " + wanted.name;
  if (found == nullptr)
    fail(ExitCode::cannot_load, where + " is missing; this run needs it as " + described(wanted));
  if (found->dtype != wanted.dtype || found->shape != wanted.shape)
    fail(ExitCode::cannot_load,
         where + " is " + described(*found) + ", but this run has " + described(wanted));
}

/// Rows of an optimizer tensor that lie here; a tensor that is not cut lies here whole.
checkpoint::Slice slice_of(const store::TensorInfo& info, const optim::State::Entry& entry) {
  checkpoint::Slice slice = checkpoint::whole(info, bytes_of(entry.tensor));
  if (!info.shape.empty() && entry.spec.cut_with_rows) {
    slice.first_row = static_cast<std::uint64_t>(entry.rows.first);
    slice.rows = static_cast<std::uint64_t>(entry.rows.count);
  }
  return slice;
}

}  // namespace

std::vector<checkpoint::Slice> weight_slices(const params::Parameters& parameters) {
  std::vector<checkpoint::Slice> slices;
  const auto& logical = parameters.layout().logical;
  for (std::size_t index = 0; index < logical.size(); ++index)
    slices.push_back(checkpoint::whole(info_of(logical[index], parameters.type()),
                                       bytes_of(parameters.logical(index))));
  return slices;
}

std::vector<checkpoint::Slice> optimizer_slices(optim::OptimizerSet& optimizers) {
  std::vector<checkpoint::Slice> slices;
  for (const auto& entry : optimizers.entries())
    for (const auto& state : entry.state.entries())
      slices.push_back(slice_of(info_of(entry, state.spec), state));
  return slices;
}

void read_weights(checkpoint::Reader& reader, const params::Parameters& parameters) {
  const auto& logical = parameters.layout().logical;
  for (std::size_t index = 0; index < logical.size(); ++index) {
    const store::TensorInfo info = info_of(logical[index], parameters.type());
    require(reader, store::TensorUse::weights, info);
    reader.read(store::TensorUse::weights, info.name, bytes_of(parameters.logical(index)));
  }
}

void read_optimizer(checkpoint::Reader& reader, optim::OptimizerSet& optimizers) {
  for (const auto& entry : optimizers.entries())
    for (const auto& state : entry.state.entries()) {
      const store::TensorInfo info = info_of(entry, state.spec);
      require(reader, store::TensorUse::optimizer, info);
      const checkpoint::Slice mine = slice_of(info, state);
      reader.read(store::TensorUse::optimizer, info.name, mine.first_row, mine.rows,
                  bytes_of(state.tensor));
    }
}

}  // namespace fg::engine
