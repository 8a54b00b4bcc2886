// run_tool MODEL RUN STEP OPTIMIZER [each_node|bin|impatient]: saves the weights of a model folder
// as a run's checkpoint, with state of OPTIMIZER (adamw, adafactor, adamw8bit, none); the ranks cut
// all by rows. With each_node rank r saves below RUN/r; with impatient a rank that does not come is
// waited for a second. Row r of a state tensor holds r in every element (codes r modulo 251, scales
// r), "col" its index, "step" STEP.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <string>
#include <vector>

#include <fg/checkpoint/run_folder.hpp>
#include <fg/checkpoint/save.hpp>
#include <fg/store/model_weights.hpp>

namespace {

using namespace fg;
using checkpoint::Slice;
using store::Dtype;

class Builder {
public:
  Builder(const session::Session& session, std::uint64_t step)
      : rank_(static_cast<std::uint64_t>(session.rank())),
        ranks_(static_cast<std::uint64_t>(session.size())),
        step_(step) {}

  void weights(store::ModelWeights& model, std::vector<Slice>& slices) {
    for (std::size_t i = 0; i < model.tensors().size(); ++i) {
      auto& bytes = own(slices, model.tensors()[i]);
      const std::uint64_t row_bytes = bytes_of_row(slices.back());
      model.read(i, slices.back().first_row * row_bytes, bytes);
    }
  }
  void state(const store::TensorInfo& weight, const std::string& kind, std::vector<Slice>& slices) {
    const std::uint64_t rows = weight.shape[0];
    const std::uint64_t columns = weight.shape.size() > 1 ? weight.shape[1] : 1;
    const auto add = [&](const std::string& name, Dtype type, std::vector<std::uint64_t> shape,
                         std::uint64_t row_elements) {
      fill({weight.name + "." + name, type, std::move(shape)}, row_elements, slices);
    };
    step(weight.name + ".step", slices);
    if (kind == "adamw")
      for (const char* name : {"exp_avg", "exp_avg_sq"})
        add(name, Dtype::float32, weight.shape, columns);
    if (kind == "adamw8bit" && weight.shape.size() > 1 && rows * columns % 256 == 0)
      for (const char* name : {"exp_avg", "exp_avg_sq"}) {
        add(std::string(name) + ".codes", Dtype::uint8, {rows * columns}, columns);
        add(std::string(name) + ".scale", Dtype::float32, {rows * columns / 256},
            std::max<std::uint64_t>(columns / 256, 1));
      }
    if (kind == "adafactor") {
      add("row", Dtype::float32, {rows}, 1);
      if (rank_ == 0 && columns > 1) {
        columns_.emplace_back(columns);
        for (std::uint64_t c = 0; c < columns; ++c) columns_.back()[c] = static_cast<float>(c);
        slices.push_back(checkpoint::whole({weight.name + ".col", Dtype::float32, {columns}},
                                           std::as_bytes(std::span(columns_.back()))));
      }
    }
  }

private:
  static std::uint64_t bytes_of_row(const Slice& slice) {
    return store::byte_count(slice.tensor) / slice.tensor.shape[0];
  }
  /// This rank's rows of the tensor, appended to the slices; rows are cut between `unit`s.
  std::vector<std::byte>& own(std::vector<Slice>& slices, const store::TensorInfo& info,
                              std::uint64_t unit = 1) {
    const std::uint64_t units = info.shape[0] / unit;
    const std::uint64_t first = units * rank_ / ranks_ * unit;
    const std::uint64_t end = units * (rank_ + 1) / ranks_ * unit;
    slices.push_back(
        {.tensor = info, .first_row = first, .rows = end - first, .bytes = {}, .copy = {}});
    auto& bytes = bytes_.emplace_back((end - first) * bytes_of_row(slices.back()));
    slices.back().bytes = bytes;
    return bytes;
  }
  void fill(const store::TensorInfo& info, std::uint64_t row_elements, std::vector<Slice>& slices) {
    const bool is_flat = info.shape.size() == 1;
    auto& bytes = own(slices, info, is_flat ? row_elements : 1);
    const std::uint64_t begin = slices.back().first_row * (is_flat ? 1 : row_elements);
    const std::uint64_t size = store::size_of(info.dtype);
    for (std::uint64_t i = 0; i < bytes.size() / size; ++i) {
      const std::uint64_t row = (begin + i) / row_elements;
      const auto value = static_cast<float>(row);
      if (info.dtype == Dtype::uint8)
        bytes[i] = static_cast<std::byte>(row % 251);
      else
        std::memcpy(bytes.data() + i * size, &value, size);
    }
  }
  void step(const std::string& name, std::vector<Slice>& slices) {
    if (rank_ != 0) return;
    slices.push_back(checkpoint::whole({name, Dtype::int64, {}},
                                       std::as_bytes(std::span<const std::uint64_t>(&step_, 1))));
  }

  std::uint64_t rank_;
  std::uint64_t ranks_;
  std::uint64_t step_;
  std::deque<std::vector<std::byte>> bytes_;
  std::deque<std::vector<float>> columns_;
};

void save(session::Session& session, const std::vector<std::string>& words) {
  const std::filesystem::path model_folder = words.at(1);
  const std::string how = words.size() > 5 ? words[5] : "";
  const bool each_node = how == "each_node";
  const std::string node = std::to_string(session.rank());
  std::filesystem::path run = words.at(2);
  if (each_node) run /= node;
  store::ModelWeights model(model_folder);
  std::filesystem::create_directories(checkpoint::checkpoints_in(run));
  checkpoint::SaveRequest request;
  request.folder = checkpoint::checkpoints_in(run);
  request.step = std::stoull(words.at(3));
  request.run = "driver";
  request.copies = checkpoint::model_files(model_folder);
  if (how == "bin") request.format = checkpoint::Format::bin;
  request.each_node = each_node;
  request.node = node;
  Builder builder(session, request.step);
  builder.weights(model, request.weights);
  if (words.at(4) != "none")
    for (const auto& tensor : model.tensors())
      builder.state(tensor, words.at(4), request.optimizer);
  session.together([] {});  // every folder is there
  if (how == "impatient") session.set_timeout(1);
  checkpoint::save(session, request);
}

}  // namespace

int main(int argc, char** argv) {
  session::Session session(argc, argv);
  try {
    save(session, {argv, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    session.abort(ExitCode::bug);
  }
}
