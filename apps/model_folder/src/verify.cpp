#include "verify.hpp"

#include <cstring>
#include <optional>
#include <string_view>

#include <fg/base/error.hpp>
#include <fg/log/progress.hpp>
#include <fg/session/signals.hpp>
#include <fg/store/manifest.hpp>
#include <fg/store/model_weights.hpp>
#include <fg/store/slices.hpp>
#include <fg/text/tokenizer.hpp>

#include "output_stream.hpp"

namespace fg::model_folder {
namespace {

// Text that a tokenizer's parts disagree over first: scripts, white space, digits, emoji, code.
constexpr std::string_view samples[] = {
    "The quick brown fox jumps over the lazy dog.",
    "  leading, trailing and   inner    spaces \t\n\n  ",
    "Grüße aus Zürich; ¿qué tal?; naïve café; Здравствуй, мир",
    "日本語のテキストと中文字符, 한국어 문장",
    "مرحبا بالعالم שלום עולם नमस्ते दुनिया",
    "1234567890 3.14159 1e-5 0x7fff",
    "for (int i = 0; i < n; ++i) { a[i] += b[i]; }  // it's",
    "\U0001F469\u200D\U0001F4BB \U0001F1E8\U0001F1ED e\u0301 \u00A0 \uFFFD",
};

/// How to find and read what was written: as a model folder, and where there is optimizer state as
/// what the manifest's slice table says.
class Written {
public:
  Written(const Plan& plan, const std::filesystem::path& folder) : weights_(folder) {
    if (weights_.tensors().size() != plan.weight_count)
      fail(ExitCode::cannot_save, "verification failed: the new folder holds " +
                                      std::to_string(weights_.tensors().size()) + " tensors, not " +
                                      std::to_string(plan.weight_count));
    if (plan.slices.optimizer.empty()) return;
    std::vector<store::SliceFolder> folders;
    folders.push_back({folder, store::read_manifest(folder)});
    state_.emplace(std::move(folders));
  }
  std::optional<std::size_t> find(const OutputTensor& tensor) const {
    if (tensor.use == store::TensorUse::optimizer) {
      const auto index = state_->find(tensor.use, tensor.info.name);
      const bool right = index && state_->table().optimizer[*index].info == tensor.info;
      return right ? index : std::nullopt;
    }
    const auto index = weights_.find(tensor.info.name);
    return index && weights_.tensors()[*index] == tensor.info ? index : std::nullopt;
  }
  void read(const OutputTensor& tensor, std::size_t index, std::uint64_t offset,
            std::span<std::byte> out) {
    if (tensor.use == store::TensorUse::weights) return weights_.read(index, offset, out);
    state_->read(tensor.use, index, offset, out);
  }

private:
  store::ModelWeights weights_;
  std::optional<store::SliceReader> state_;
};

void verify_tensor(const OutputTensor& tensor, OutputStream& wanted, Written& written,
                   log::Progress& progress) {
  const auto index = written.find(tensor);
  if (!index)
    fail(ExitCode::cannot_save, "verification failed: " + tensor.info.name +
                                    " is missing, or has another dtype or shape than planned");
  std::vector<std::byte> found;
  for (auto piece = wanted.next(); !piece.empty(); piece = wanted.next()) {
    session::check_for_stop();
    found.resize(piece.size());
    written.read(tensor, *index, wanted.offset(), found);
    if (std::memcmp(found.data(), piece.data(), piece.size()) != 0)
      fail(ExitCode::cannot_save, "verification failed: " + tensor.info.name +
                                      " differs within bytes " + std::to_string(wanted.offset()) +
                                      " to " + std::to_string(wanted.offset() + piece.size()));
    progress.advance(piece.size());
  }
}

/// The source's tokens that a role's change may have touched are those the plan lists.
bool is_new(const Plan& plan, std::int64_t id) {
  for (const auto& row : plan.tokens.rows)
    if (row.id == id) return true;
  return false;
}

}  // namespace

void verify_shards(const Plan& plan, const std::vector<std::size_t>& shards, Source& source,
                   const std::filesystem::path& folder) {
  Written written(plan, folder);
  std::uint64_t bytes = 0;
  for (const std::size_t shard : shards) bytes += plan.shards[shard].bytes;
  log::Progress progress("verifying", bytes);
  for (const std::size_t shard : shards)
    for (const std::size_t i : plan.shards[shard].tensors) {
      OutputStream wanted(plan.tensors[i], source);
      verify_tensor(plan.tensors[i], wanted, written, progress);
    }
  progress.finish();
}

void verify_tokenizer(const Plan& plan, const std::filesystem::path& source,
                      const std::filesystem::path& folder) {
  const auto before = text::Tokenizer::load(source);
  const auto after = text::Tokenizer::load(folder);
  const auto differs = [](const std::string& what) {
    fail(ExitCode::cannot_save, "verification failed: the new folder's tokenizer " + what);
  };
  for (std::int32_t id = 0; id < static_cast<std::int32_t>(before.vocab_size()); ++id)
    if (before.token_of(id) != after.token_of(id) && !is_new(plan, id))
      differs("has another token with id " + std::to_string(id));
  for (const std::string_view sample : samples)
    if (before.encode(sample).ids != after.encode(sample).ids)
      differs("encodes '" + std::string(sample) + "' differently");
  for (const auto& row : plan.tokens.rows)
    if (after.encode(row.token, {.add_special_tokens = false}).ids !=
        std::vector<std::int32_t>{static_cast<std::int32_t>(row.id)})
      differs("does not encode the new token '" + row.token + "' as " + std::to_string(row.id));
}

}  // namespace fg::model_folder
