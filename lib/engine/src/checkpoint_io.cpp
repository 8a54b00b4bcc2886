#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <fg/base/error.hpp>
#include <fg/checkpoint/read_all.hpp>
#include <fg/comm/bytes.hpp>
#include <fg/engine/checkpoint_io.hpp>
#include <fg/params/weights.hpp>

namespace fg::engine {
namespace {

std::vector<std::uint64_t> unsigned_shape(const std::vector<std::int64_t>& shape) {
  return {shape.begin(), shape.end()};
}

std::span<std::byte> bytes_of(const at::Tensor& tensor) {
  FG_CHECK(tensor.is_contiguous() && tensor.device().is_cpu());
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

checkpoint::Slice slice_of_whole(store::TensorInfo info, const at::Tensor& tensor) {
  if (tensor.device().is_cpu()) return checkpoint::whole(std::move(info), bytes_of(tensor));
  FG_CHECK(tensor.is_contiguous());
  checkpoint::Slice slice = checkpoint::whole(std::move(info), {});
  slice.copy = [flat = tensor.view(-1).view(at::kByte)](std::uint64_t offset,
                                                        std::span<std::byte> out) {
    const auto count = static_cast<std::int64_t>(out.size());
    at::from_blob(out.data(), {count}, at::kByte)
        .copy_(flat.narrow(0, static_cast<std::int64_t>(offset), count));
  };
  return slice;
}

/// Calls read(bytes) to fill the tensor, wherever it is.
template <typename Read>
void fill(const at::Tensor& tensor, const Read& read) {
  if (tensor.device().is_cpu()) return read(bytes_of(tensor));
  const at::Tensor host = at::empty(tensor.sizes(), tensor.options().device(at::kCPU));
  read(bytes_of(host));
  tensor.copy_(host);
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
  checkpoint::Slice slice = slice_of_whole(info, entry.tensor);
  if (!info.shape.empty() && entry.spec.cut_with_rows) {
    slice.first_row = static_cast<std::uint64_t>(entry.rows.first);
    slice.rows = static_cast<std::uint64_t>(entry.rows.count);
  }
  return slice;
}

/// True where the reader has every tensor of this parameter's state as this run needs it.
bool has_state(const store::SliceReader& reader, const optim::OptimizerSet::Entry& entry) {
  for (const auto& state : entry.state.entries()) {
    const store::TensorInfo wanted = info_of(entry, state.spec);
    const auto found = reader.find(store::TensorUse::optimizer, wanted.name);
    if (!found || reader.table().optimizer[*found].info != wanted) return false;
  }
  return true;
}

}  // namespace

std::string read_warm_start(const std::filesystem::path& folder, optim::OptimizerSet& optimizers) {
  if (!std::filesystem::exists(folder / "optim.h5")) return "";
  store::SliceFolder source;
  source.path = folder;
  source.manifest = store::read_manifest(folder);
  store::SliceReader reader({std::move(source)});
  std::size_t taken = 0, fresh = 0;
  for (const auto& entry : optimizers.entries()) {
    if (!has_state(reader, entry)) {
      ++fresh;
      continue;
    }
    for (const auto& state : entry.state.entries()) {
      const store::TensorInfo info = info_of(entry, state.spec);
      const checkpoint::Slice mine = slice_of(info, state);
      const std::uint64_t row_bytes = mine.rows == 0 ? 0 : state.tensor.nbytes() / mine.rows;
      const std::size_t index = *reader.find(store::TensorUse::optimizer, info.name);
      fill(state.tensor, [&](std::span<std::byte> bytes) {
        reader.read(store::TensorUse::optimizer, index, mine.first_row * row_bytes, bytes);
      });
    }
    ++taken;
  }
  return "optimizer state of " + std::to_string(taken) + " parameters taken from " +
         folder.string() +
         (fresh == 0 ? "" : "; that of " + std::to_string(fresh) + " others begins afresh");
}

std::vector<checkpoint::Slice> weight_slices(const params::Parameters& parameters,
                                             const std::vector<bool>& owned) {
  std::vector<checkpoint::Slice> slices;
  const auto& logical = parameters.layout().logical;
  for (std::size_t index = 0; index < logical.size(); ++index)
    if (owned[index])
      slices.push_back(
          slice_of_whole(info_of(logical[index], parameters.type()), parameters.logical(index)));
  return slices;
}

std::vector<checkpoint::Slice> optimizer_slices(optim::OptimizerSet& optimizers,
                                                const std::vector<bool>& owned) {
  FG_CHECK(optimizers.entries().size() == owned.size());
  std::vector<checkpoint::Slice> slices;
  for (std::size_t index = 0; index < owned.size(); ++index) {
    if (!owned[index]) continue;
    const auto& entry = optimizers.entries()[index];
    for (const auto& state : entry.state.entries())
      slices.push_back(slice_of(info_of(entry, state.spec), state));
  }
  return slices;
}

namespace {

/// Rows of a tensor of the checkpoint, and where they go.
struct Goal {
  store::TensorUse use;
  store::TensorInfo info;
  std::uint64_t first_row;
  std::uint64_t rows;
  at::Tensor target;
};

std::vector<Goal> goals_of(const params::Parameters& parameters) {
  std::vector<Goal> goals;
  const auto& logical = parameters.layout().logical;
  for (std::size_t index = 0; index < logical.size(); ++index) {
    const checkpoint::Slice all = checkpoint::whole(info_of(logical[index], parameters.type()), {});
    goals.push_back({store::TensorUse::weights, all.tensor, all.first_row, all.rows,
                     parameters.logical(index)});
  }
  return goals;
}

std::vector<Goal> goals_of(const optim::OptimizerSet::Entry& entry) {
  std::vector<Goal> goals;
  for (const auto& state : entry.state.entries()) {
    const checkpoint::Slice mine = slice_of(info_of(entry, state.spec), state);
    goals.push_back(
        {store::TensorUse::optimizer, mine.tensor, mine.first_row, mine.rows, state.tensor});
  }
  return goals;
}

void read(checkpoint::Reader& reader, const std::vector<Goal>& goals) {
  for (const Goal& goal : goals) {
    require(reader, goal.use, goal.info);
    fill(goal.target, [&](std::span<std::byte> bytes) {
      reader.read(goal.use, goal.info.name, goal.first_row, goal.rows, bytes);
    });
  }
}

}  // namespace

void read_weights(checkpoint::Reader& reader, const params::Parameters& parameters) {
  read(reader, goals_of(parameters));
}

void read_optimizer(checkpoint::Reader& reader, optim::OptimizerSet& optimizers) {
  for (const auto& entry : optimizers.entries()) read(reader, goals_of(entry));
}

void read_from_nodes(session::Session& session, comm::Communicator& ranks,
                     checkpoint::Reader& reader, const params::Parameters& parameters,
                     optim::OptimizerSet& optimizers) {
  std::vector<Goal> goals = goals_of(parameters);
  for (const auto& entry : optimizers.entries())
    for (Goal& goal : goals_of(entry)) goals.push_back(std::move(goal));
  std::vector<at::Tensor> on_host;
  std::vector<checkpoint::Wanted> wanted;
  session.together([&] {
    for (const Goal& goal : goals) {
      require(reader, goal.use, goal.info);
      on_host.push_back(goal.target.is_cpu() ? goal.target
                                             : at::empty(goal.target.sizes(),
                                                         goal.target.options().device(at::kCPU)));
      wanted.push_back(
          {goal.use, goal.info.name, goal.first_row, goal.rows, bytes_of(on_host.back())});
    }
  });
  checkpoint::read_all(
      session,
      {.send = [&](std::span<const std::byte> bytes, int to) { send_bytes(ranks, bytes, to); },
       .recv = [&](std::span<std::byte> bytes, int from) { recv_bytes(ranks, bytes, from); }},
      reader, wanted);
  for (std::size_t index = 0; index < goals.size(); ++index)
    if (!goals[index].target.is_cpu()) goals[index].target.copy_(on_host[index]);
}

}  // namespace fg::engine
