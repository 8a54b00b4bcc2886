#pragma once

#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fg/base/file.hpp>
#include <fg/checkpoint/reader.hpp>
#include <fg/checkpoint/run_folder.hpp>
#include <fg/checkpoint/save.hpp>
#include <fg/test/mpi_session.hpp>
#include <fg/test/temporary_folder.hpp>

namespace fg::checkpoint {

/// A tensor of random bytes.
struct Sample {
  store::TensorInfo info;
  std::vector<std::byte> bytes;

  Sample(std::string name, store::Dtype dtype, std::vector<std::uint64_t> shape, unsigned seed)
      : info{std::move(name), dtype, std::move(shape)}, bytes(store::byte_count(info)) {
    std::mt19937 random(seed);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  }
  std::uint64_t rows() const { return store::row_count(info.shape); }
  std::uint64_t row_bytes() const { return rows() == 0 ? 0 : bytes.size() / rows(); }
  Slice slice(std::uint64_t first, std::uint64_t count) const {
    return {
        info, first, count, std::span(bytes).subspan(first * row_bytes(), count * row_bytes()), {}};
  }
};

/// The same on every rank: what a run at `step` has.
struct State {
  std::vector<Sample> weights;
  std::vector<Sample> optimizer;

  explicit State(unsigned step) {
    using store::Dtype;
    weights.emplace_back("model.embed_tokens.weight", Dtype::bfloat16,
                         std::vector<std::uint64_t>{37, 8}, step);
    weights.emplace_back("model.norm.weight", Dtype::float32, std::vector<std::uint64_t>{5},
                         step + 1);
    weights.emplace_back("lm_head.weight", Dtype::bfloat16, std::vector<std::uint64_t>{11, 3, 2},
                         step + 2);
    optimizer.emplace_back("model.norm.weight", Dtype::uint8, std::vector<std::uint64_t>{9, 2},
                           step + 3);
    optimizer.emplace_back("count", Dtype::int64, std::vector<std::uint64_t>{}, step + 4);
    optimizer.emplace_back("nothing", Dtype::float32, std::vector<std::uint64_t>{0, 4}, step + 5);
  }
};

/// This rank's share when each tensor is cut by rows over all ranks; what has fewer rows than ranks
/// is whole on one.
inline std::vector<Slice> by_rows(const std::vector<Sample>& tensors, std::uint64_t rank,
                                  std::uint64_t ranks) {
  std::vector<Slice> slices;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Sample& tensor = tensors[i];
    if (tensor.rows() < ranks) {
      if (i % ranks == rank) slices.push_back(whole(tensor.info, tensor.bytes));
      continue;
    }
    const std::uint64_t first = tensor.rows() * rank / ranks;
    slices.push_back(tensor.slice(first, tensor.rows() * (rank + 1) / ranks - first));
  }
  return slices;
}

/// This rank's share when whole tensors are dealt out.
inline std::vector<Slice> dealt_out(const std::vector<Sample>& tensors, std::uint64_t rank,
                                    std::uint64_t ranks) {
  std::vector<Slice> slices;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (i % ranks == rank) slices.push_back(whole(tensors[i].info, tensors[i].bytes));
  return slices;
}

/// A run's folder that all ranks share; made and removed by rank 0.
class SharedRun {
public:
  SharedRun() {
    if (session().is_first()) folder_ = std::make_unique<test::TemporaryFolder>();
    root_ = session().broadcast(folder_ ? folder_->path().string() : "");
    if (session().is_first()) {
      std::filesystem::create_directory(checkpoints_in(root_));
      write_synced(root_ / "config.json", "{\"model_type\": \"llama\"}\n");
    }
    meet();
  }
  ~SharedRun() { meet(); }

  static session::Session& session() { return test::mpi_session(); }
  static std::uint64_t rank() { return static_cast<std::uint64_t>(session().rank()); }
  static std::uint64_t ranks() { return static_cast<std::uint64_t>(session().size()); }
  static void meet() { session().agree(ExitCode::done); }

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path checkpoints() const { return checkpoints_in(root_); }
  std::filesystem::path folder(std::uint64_t step) const {
    return checkpoints() / name_of_step(step);
  }

  SaveRequest request(std::uint64_t step, const State& state) const {
    SaveRequest request;
    request.folder = checkpoints();
    request.step = step;
    request.run = "00test";
    request.weights = by_rows(state.weights, rank(), ranks());
    request.optimizer = dealt_out(state.optimizer, rank(), ranks());
    request.trainer = {{"tokens", step * 1000}, {"cursor", {{"row", 7}}}};
    request.copies = {root_ / "config.json"};
    return request;
  }
  std::filesystem::path save_step(std::uint64_t step) const {
    const State state(static_cast<unsigned>(step));
    return save(session(), request(step, state));
  }
  /// Flips one bit of a file, on rank 0.
  void damage(const std::filesystem::path& file) const {
    if (session().is_first()) {
      std::string text = read_text(file, 1 << 24);
      text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
      std::filesystem::remove(file);
      write_synced(file, text);
    }
    meet();
  }

private:
  std::unique_ptr<test::TemporaryFolder> folder_;
  std::filesystem::path root_;
};

inline std::vector<std::byte> read_whole(Reader& reader, store::TensorUse use,
                                         const Sample& tensor) {
  std::vector<std::byte> bytes(tensor.bytes.size());
  reader.read(use, tensor.info.name, bytes);
  return bytes;
}

}  // namespace fg::checkpoint
