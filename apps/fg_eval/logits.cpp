#include "logits.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
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

}  // namespace

void write_logits(model::Model& model, const fs::path& input_ids, const fs::path& out) {
  const std::vector<Sequence> sequences = read_sequences(input_ids, model.config());
  if (fs::exists(fs::symlink_status(out)))
    fail(ExitCode::cannot_save, out.string() + ": exists already");
  try {
    const auto writer = store::create_hdf5(out, infos_of(sequences, model.config().vocab_size));
    for (std::size_t index = 0; index < sequences.size(); ++index) {
      session::check_for_stop();
      const at::Tensor logits = logits_of(model, sequences[index]);
      writer->write(index, 0,
                    std::as_bytes(std::span(logits.const_data_ptr<float>(),
                                            static_cast<std::size_t>(logits.numel()))));
    }
    writer->finish();
  } catch (...) {
    std::error_code ignored;
    fs::remove(out, ignored);
    throw;
  }
  log::info(out.string() + ": logits of " + std::to_string(sequences.size()) + " sequences");
}

}  // namespace fg::eval
