#include <algorithm>
#include <deque>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/store/manifest.hpp>
#include <fg/store/model_weights.hpp>
#include <fg/store/slices.hpp>

#include "tensor_list.hpp"
#include "torch_bin_reader.hpp"
#include "weight_folder.hpp"

namespace fg::store {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse_folder_without_weights(const fs::path& folder) {
  std::string message = folder.string() +
                        ": no weights: none of model.safetensors, pytorch_model.bin, model.h5 or "
                        "their numbered shards lies there";
  const auto is_foreign = [](const std::string& name) {
    return name.ends_with(".gguf") || name.ends_with(".pth") || name.ends_with(".pt");
  };
  const std::vector<std::string> names = file_names(folder);
  const auto foreign = std::ranges::find_if(names, is_foreign);
  if (foreign != names.end())
    message += "; " + shown(*foreign) +
               " is of a format that is not read: take the model's Hugging Face version";
  fail(ExitCode::cannot_load, message);
}

[[noreturn]] void refuse_incomplete(const fs::path& folder, const WeightSet& set) {
  const std::string source =
      set.index ? "named by " + set.index_file : "one of " + std::to_string(set.files.size());
  fail(ExitCode::cannot_load,
       (folder / set.missing.front()).string() + ": missing (" + source + "; " +
           std::to_string(set.missing.size()) + " of " + std::to_string(set.files.size()) +
           " shards are not there), and no other complete set of weights lies beside it. Download "
           "the model again ('git lfs pull' in a clone), or remove the index if another set is "
           "meant");
}

}  // namespace

class ModelWeights::State {
public:
  explicit State(const fs::path& folder) : folder_(folder) {
    choose();
    if (set_.sliced) {
      list_slices();
      return;
    }
    for (std::size_t file = 0; file < set_.files.size(); ++file) list(file);
    if (set_.index)
      check_index();
    else
      check_names();
  }

  void read(std::size_t tensor, std::uint64_t offset, std::span<std::byte> out) {
    if (slices_) return slices_->read(TensorUse::weights, tensor, offset, out);
    const Place& place = places_.at(tensor);
    opened(place.file).read(place.tensor, offset, out);
  }
  std::optional<std::size_t> find(std::string_view tensor) const {
    const auto place = by_name_.find(tensor);
    return place == by_name_.end() ? std::nullopt : std::optional(place->second);
  }

  const WeightSet& set() const { return set_; }
  std::span<const TensorInfo> tensors() const { return tensors_; }
  const std::string& file_of(std::size_t tensor) const {
    if (slices_) return slices_->table().weights.at(tensor).slices.front().file;
    return set_.files[places_.at(tensor).file];
  }
  std::span<const std::string> notes() const { return notes_; }

private:
  struct Place {
    std::size_t file;
    std::size_t tensor;  // in the file
  };
  struct Opened {
    std::size_t file;
    std::unique_ptr<TensorFileReader> reader;
  };
  static constexpr std::size_t max_open = 4;

  void choose() {
    std::vector<WeightSet> sets = find_weight_sets(folder_);
    if (sets.empty()) refuse_folder_without_weights(folder_);
    const auto complete =
        std::ranges::find_if(sets, [](const WeightSet& set) { return set.missing.empty(); });
    if (complete == sets.end()) refuse_incomplete(folder_, sets.front());
    for (auto set = sets.begin(); set != complete; ++set)
      notes_.push_back(set->name() + " is passed over because " + set->missing.front() +
                       " is missing; the weights are read from " + complete->name());
    set_ = std::move(*complete);
  }

  void list(std::size_t file) {
    const TensorFileReader& reader = opened(file);
    for (std::size_t index = 0; index < reader.tensors().size(); ++index) {
      tensors_.push_back(reader.tensors()[index]);
      places_.push_back({file, index});
    }
    if (const auto* bin = dynamic_cast<const TorchBinReader*>(&reader))
      repeated_bytes_ += bin->repeated_bytes();
    if (tensors_.size() > max_tensors * 4)
      fail(ExitCode::cannot_load, folder_.string() + ": more than 400000 tensors");
  }

  void list_slices() {
    std::vector<SliceFolder> folders;
    folders.push_back({folder_, read_manifest(folder_)});
    slices_.emplace(std::move(folders));
    slices_->open_all(TensorUse::weights);
    for (const SlicedTensor& tensor : slices_->table().weights) tensors_.push_back(tensor.info);
    check_names();
  }

  TensorFileReader& opened(std::size_t file) {
    const auto known = std::ranges::find(open_, file, &Opened::file);
    if (known != open_.end()) return *known->reader;
    if (open_.size() == max_open) open_.pop_front();
    const std::string& name = set_.files[file];
    const std::optional<fs::path> path = find_model_file(folder_, name);
    if (!path) fail(ExitCode::cannot_load, (folder_ / name).string() + ": no longer there");
    if (set_.format == WeightFormat::hdf5 && trusted_.insert(file).second)
      require_listed(folder_, name);
    // Opened by the name that the user knows, not by the blob that a cache's link leads to.
    open_.push_back({file, open_weight_file(set_.format, folder_ / name)});
    return *open_.back().reader;
  }

  [[noreturn]] void refuse_index(const std::string& rule) const {
    fail(ExitCode::cannot_load, (folder_ / set_.index_file).string() + ": " + rule);
  }

  void check_index() {
    check_names();
    static const bool ignored = fault_planted("store.index_ignored");
    if (ignored) return;
    for (const WeightIndex::Entry& entry : set_.index->entries) {
      const std::optional<std::size_t> tensor = find(entry.tensor);
      if (!tensor || places_[*tensor].file != entry.file)
        refuse_index("it says that tensor " + shown(entry.tensor) + " is in " +
                     set_.files[entry.file] +
                     (tensor ? ", but it is in " + file_of(*tensor) : ", but no file holds it"));
    }
    if (set_.index->entries.size() != tensors_.size()) refuse_unnamed();
    check_total();
    set_.index.reset();  // names are kept once
  }

  [[noreturn]] void refuse_unnamed() const {
    for (std::size_t index = 0; index < tensors_.size(); ++index) {
      const auto entry = std::ranges::lower_bound(set_.index->entries, tensors_[index].name, {},
                                                  &WeightIndex::Entry::tensor);
      if (entry == set_.index->entries.end() || entry->tensor != tensors_[index].name)
        refuse_index("it does not name tensor " + shown(tensors_[index].name) + " of " +
                     file_of(index));
    }
    check_failed("an unnamed tensor", __FILE__, __LINE__);
  }

  void check_total() const {
    std::uint64_t total = 0;
    for (const TensorInfo& tensor : tensors_) total += byte_count(tensor);
    const std::optional<std::uint64_t> said = set_.index->total_size;
    if (said && *said != total && *said != total - repeated_bytes_)
      refuse_index("its total_size is " + std::to_string(*said) + ", but the tensors have " +
                   std::to_string(total) + " bytes");
  }

  void check_names() {
    for (std::size_t index = 0; index < tensors_.size(); ++index) {
      const auto [known, is_new] = by_name_.emplace(tensors_[index].name, index);
      if (!is_new)
        fail(ExitCode::cannot_load, folder_.string() + ": tensor " + shown(tensors_[index].name) +
                                        " is in " + file_of(known->second) + " and in " +
                                        file_of(index));
    }
  }

  fs::path folder_;
  WeightSet set_;
  std::vector<std::string> notes_;
  std::vector<TensorInfo> tensors_;
  std::vector<Place> places_;
  std::unordered_map<std::string_view, std::size_t> by_name_;  // views into tensors_
  std::uint64_t repeated_bytes_ = 0;
  std::unordered_set<std::size_t> trusted_;
  std::deque<Opened> open_;            // the oldest first
  std::optional<SliceReader> slices_;  // of a checkpoint; then the two above stay empty
};

ModelWeights::ModelWeights(const fs::path& folder) : state_(std::make_unique<State>(folder)) {}
ModelWeights::ModelWeights(ModelWeights&&) noexcept = default;
ModelWeights& ModelWeights::operator=(ModelWeights&&) noexcept = default;
ModelWeights::~ModelWeights() = default;

std::span<const TensorInfo> ModelWeights::tensors() const {
  return state_->tensors();
}

std::optional<std::size_t> ModelWeights::find(std::string_view tensor) const {
  return state_->find(tensor);
}

WeightFormat ModelWeights::format() const {
  return state_->set().format;
}

std::span<const std::string> ModelWeights::files() const {
  return state_->set().files;
}

const std::string& ModelWeights::file_of(std::size_t tensor) const {
  return state_->file_of(tensor);
}

std::span<const std::string> ModelWeights::notes() const {
  return state_->notes();
}

void ModelWeights::read(std::size_t tensor, std::uint64_t offset, std::span<std::byte> out) {
  state_->read(tensor, offset, out);
}

}  // namespace fg::store
