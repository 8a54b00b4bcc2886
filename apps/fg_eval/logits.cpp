#include "logits.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
#include <fg/comm/bytes.hpp>
#include <fg/log/log.hpp>
#include <fg/session/signals.hpp>
#include <fg/store/hdf5.hpp>

namespace fg::eval {
namespace {

namespace fs = std::filesystem;
using Sequence = std::vector<std::int64_t>;

constexpr std::uint64_t most_bytes = std::uint64_t{256} << 20;

Sequence parse_sequence(std::string_view line, const arch::ModelConfig& config,
                        const std::string& place) {
  const Json list =
      parse_json(line, place, {.max_bytes = most_bytes, .max_depth = 2}, ExitCode::data);
  if (!list.is_array() || list.empty())
    fail(ExitCode::data, place + ": expected a JSON list of token ids, at least one");
  if (list.size() > static_cast<std::size_t>(config.max_position_embeddings))
    fail(ExitCode::data, place + ": " + std::to_string(list.size()) + " ids, the model has " +
                             std::to_string(config.max_position_embeddings) + " positions");
  Sequence ids;
  for (const Json& id : list) {
    if (!id.is_number_integer() || id < 0 || id >= config.vocab_size)
      fail(ExitCode::data, place + ": " + id.dump(-1, ' ', true) +
                               " is no token id of this model, which has 0 to " +
                               std::to_string(config.vocab_size - 1));
    ids.push_back(id.get<std::int64_t>());
  }
  return ids;
}

std::vector<Sequence> read_sequences(const fs::path& path, const arch::ModelConfig& config) {
  const std::string text = read_text(path, most_bytes);
  std::vector<Sequence> sequences;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    sequences.push_back(
        parse_sequence(line, config, path.string() + ": line " + std::to_string(number)));
  }
  if (sequences.empty()) fail(ExitCode::data, path.string() + ": holds no list of token ids");
  return sequences;
}

std::vector<store::TensorInfo> infos_of(const std::vector<Sequence>& sequences,
                                        std::int64_t vocab_size) {
  std::vector<store::TensorInfo> infos;
  for (const Sequence& ids : sequences)
    infos.push_back({.name = "logits_" + std::to_string(infos.size()),
                     .dtype = store::Dtype::float32,
                     .shape = {ids.size(), static_cast<std::uint64_t>(vocab_size)}});
  return infos;
}

at::Tensor logits_of(model::Model& model, const Sequence& ids) {
  const auto length = static_cast<std::int64_t>(ids.size());
  const Sequence untrained(ids.size(), -1);
  return model.logits(model.make_batch(ids, {&length, 1}, untrained))
      .to(at::kCPU, at::kFloat)
      .contiguous();
}

std::span<const std::byte> bytes_of(const at::Tensor& logits) {
  return std::as_bytes(
      std::span(logits.const_data_ptr<float>(), static_cast<std::size_t>(logits.numel())));
}

/// Rank 0's file, which is gone again unless `finish` was reached.
class LogitsFile {
public:
  LogitsFile(const fs::path& path, std::vector<store::TensorInfo> tensors) : path_(path) {
    if (fs::exists(fs::symlink_status(path)))
      fail(ExitCode::cannot_save, path.string() + ": exists already");
    is_ours_ = true;
    try {
      writer_ = store::create_hdf5(path, std::move(tensors));
    } catch (...) {
      remove();
      throw;
    }
  }
  LogitsFile(const LogitsFile&) = delete;
  LogitsFile& operator=(const LogitsFile&) = delete;
  ~LogitsFile() { remove(); }

  void write(std::size_t index, std::span<const std::byte> logits) {
    writer_->write(index, 0, logits);
  }
  void finish() {
    writer_->finish();
    is_ours_ = false;
  }

private:
  void remove() noexcept {
    std::error_code ignored;
    if (is_ours_) fs::remove(path_, ignored);
  }

  fs::path path_;
  std::unique_ptr<store::TensorFileWriter> writer_;
  bool is_ours_ = false;
};

/// One sequence a rank, written by rank 0. The ranks meet before the first one sends.
void write_round(session::Session& session, comm::Communicator& group, model::Model& model,
                 const std::vector<Sequence>& sequences, std::size_t first, LogitsFile* file) {
  const auto rank = static_cast<std::size_t>(group.rank());
  const std::size_t count =
      std::min(sequences.size() - first, static_cast<std::size_t>(group.size()));
  at::Tensor logits;
  session.together([&] {
    session::check_for_stop();
    if (rank < count) logits = logits_of(model, sequences[first + rank]);
  });
  if (rank > 0) {
    if (rank < count) comm::send_bytes(group, bytes_of(logits), 0);
    return;
  }
  file->write(first, bytes_of(logits));
  std::vector<std::byte> received;
  for (std::size_t other = 1; other < count; ++other) {
    received.resize(sequences[first + other].size() * sizeof(float) *
                    static_cast<std::size_t>(model.config().vocab_size));
    comm::recv_bytes(group, received, static_cast<int>(other));
    file->write(first + other, received);
  }
}

}  // namespace

void write_logits(session::Session& session, model::Model& model, const fs::path& input_ids,
                  const fs::path& out) {
  std::vector<Sequence> sequences;
  std::optional<LogitsFile> file;
  session.together([&] {
    if (!session.is_first()) return;
    sequences = read_sequences(input_ids, model.config());
    file.emplace(out, infos_of(sequences, model.config().vocab_size));
  });
  session.together([&] {
    if (!session.is_first()) sequences = read_sequences(input_ids, model.config());
  });
  const auto group = comm::Communicator::connect(session);
  for (std::size_t first = 0; first < sequences.size();
       first += static_cast<std::size_t>(group->size()))
    write_round(session, *group, model, sequences, first, file ? &*file : nullptr);
  session.together([&] {
    if (file) file->finish();
  });
  log::info(out.string() + ": logits of " + std::to_string(sequences.size()) + " sequences");
}

}  // namespace fg::eval
