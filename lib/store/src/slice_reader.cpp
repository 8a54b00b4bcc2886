#include <algorithm>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/store/shards.hpp>
#include <fg/store/slices.hpp>

#include "tensor_list.hpp"
#include "weight_folder.hpp"

namespace fg::store {
namespace {

namespace fs = std::filesystem;

WeightFormat format_of(const fs::path& file) {
  if (file.extension() == ".h5") return WeightFormat::hdf5;
  if (file.extension() == ".bin") return WeightFormat::torch_bin;
  fail(ExitCode::cannot_load,
       file.string() + ": the slice table names it, but it is neither .h5 nor .bin");
}

}  // namespace

class SliceReader::State {
public:
  explicit State(std::vector<SliceFolder> folders) : folders_(std::move(folders)) {
    FG_CHECK(!folders_.empty());
    table_ = table_of(folders_.front());
    for (const SliceFolder& folder : folders_)
      if (table_of(folder) != table_)
        fail(ExitCode::cannot_load, folder.path.string() + ": is no piece of the checkpoint in " +
                                        folders_.front().path.string() +
                                        ": their slice tables differ");
    for (const TensorUse use : {TensorUse::weights, TensorUse::optimizer})
      for (std::size_t i = 0; i < table_.of(use).size(); ++i)
        by_name(use).emplace(table_.of(use)[i].info.name, i);
  }

  const SliceTable& table() const { return table_; }

  std::optional<std::size_t> find(TensorUse use, std::string_view tensor) const {
    const Names& names = use == TensorUse::weights ? weights_ : optimizer_;
    const auto found = names.find(tensor);
    return found == names.end() ? std::nullopt : std::optional(found->second);
  }

  void read(TensorUse use, std::size_t index, std::uint64_t offset, std::span<std::byte> out) {
    const SlicedTensor& tensor = table_.of(use).at(index);
    const std::uint64_t size = byte_count(tensor.info);
    FG_CHECK(offset <= size && out.size() <= size - offset);
    if (out.empty()) return;
    const std::uint64_t row_bytes = size / row_count(tensor.info.shape);
    static const bool off_by_one = fault_planted("store.slice_row_off_by_one");
    for (const Slice& slice : tensor.slices) {
      const std::uint64_t begin = (slice.first_row - (off_by_one && slice.first_row)) * row_bytes;
      const std::uint64_t end = (slice.first_row + slice.rows) * row_bytes;
      if (out.empty() || offset >= end) continue;
      const auto piece = std::min<std::uint64_t>(out.size(), end - offset);
      read_slice(tensor, slice, offset - begin, out.first(piece));
      offset += piece;
      out = out.subspan(piece);
    }
    FG_CHECK(out.empty());
  }

  bool has_file(const std::string& file) const {
    return std::ranges::any_of(
        folders_, [&](const SliceFolder& folder) { return folder.manifest.files.contains(file); });
  }

  void open_all(TensorUse use) {
    // File by file, so that none is opened twice.
    std::unordered_map<std::string_view, std::vector<std::pair<std::size_t, std::size_t>>> by_file;
    std::vector<std::string_view> files;
    const std::vector<SlicedTensor>& tensors = table_.of(use);
    for (std::size_t i = 0; i < tensors.size(); ++i)
      for (std::size_t s = 0; s < tensors[i].slices.size(); ++s) {
        const std::string& file = tensors[i].slices[s].file;
        if (!by_file.contains(file)) files.push_back(file);
        by_file[file].emplace_back(i, s);
      }
    for (const std::string_view file : files)
      for (const auto& [i, s] : by_file.at(file)) place_of(tensors[i], tensors[i].slices[s]);
  }

private:
  using Names = std::unordered_map<std::string_view, std::size_t>;  // views into table_
  struct Opened {
    std::string file;
    std::unique_ptr<TensorFileReader> reader;
    Names names;
  };
  static constexpr std::size_t max_open = 4;

  static SliceTable table_of(const SliceFolder& folder) {
    return slices_of(folder.manifest, (folder.path / manifest_name).string());
  }
  Names& by_name(TensorUse use) { return use == TensorUse::weights ? weights_ : optimizer_; }

  const SliceFolder& folder_of(const std::string& file) const {
    for (const SliceFolder& folder : folders_)
      if (folder.manifest.files.contains(file)) return folder;
    fail(ExitCode::cannot_load,
         folders_.front().path.string() + ": its slice table names " + shown(file) +
             ", which is not in this folder's manifest: the checkpoint was saved on each node, and "
             "the pieces of the other nodes are needed too");
  }

  Opened& opened(const std::string& file) {
    const auto known = std::ranges::find(open_, file, &Opened::file);
    if (known != open_.end()) return *known;
    const SliceFolder& folder = folder_of(file);
    if (!find_model_file(folder.path, file))
      fail(ExitCode::cannot_load, (folder.path / file).string() + ": no longer there");
    if (!folder.verified && !trusted_.contains(file)) {
      require_listed(folder.manifest, folder.path, file);
      trusted_.insert(file);
    }
    if (open_.size() == max_open) open_.pop_front();
    Opened made{file, open_weight_file(format_of(folder.path / file), folder.path / file), {}};
    for (std::size_t i = 0; i < made.reader->tensors().size(); ++i)
      made.names.emplace(made.reader->tensors()[i].name, i);
    return open_.emplace_back(std::move(made));
  }

  /// The file, and the slice's place among its tensors, which is as the table says.
  std::pair<TensorFileReader*, std::size_t> place_of(const SlicedTensor& tensor,
                                                     const Slice& slice) {
    Opened& file = opened(slice.file);
    const auto refuse = [&](const std::string& why) {
      fail(ExitCode::cannot_load, (folder_of(slice.file).path / slice.file).string() + ": tensor " +
                                      shown(tensor.info.name) + why);
    };
    const auto found = file.names.find(tensor.info.name);
    if (found == file.names.end()) refuse(" is not in it, though the slice table says so");
    const TensorInfo& there = file.reader->tensors()[found->second];
    if (there.dtype != tensor.info.dtype || there.shape != with_rows(tensor.info.shape, slice.rows))
      refuse(" has another dtype or shape than the slice table says");
    return {file.reader.get(), found->second};
  }

  void read_slice(const SlicedTensor& tensor, const Slice& slice, std::uint64_t offset,
                  std::span<std::byte> out) {
    const auto [reader, index] = place_of(tensor, slice);
    reader->read(index, offset, out);
  }

  std::vector<SliceFolder> folders_;
  SliceTable table_;
  Names weights_;
  Names optimizer_;
  std::unordered_set<std::string> trusted_;
  std::deque<Opened> open_;  // the oldest first
};

SliceReader::SliceReader(std::vector<SliceFolder> folders)
    : state_(std::make_unique<State>(std::move(folders))) {}
SliceReader::SliceReader(SliceReader&&) noexcept = default;
SliceReader& SliceReader::operator=(SliceReader&&) noexcept = default;
SliceReader::~SliceReader() = default;

const SliceTable& SliceReader::table() const {
  return state_->table();
}

std::optional<std::size_t> SliceReader::find(TensorUse use, std::string_view tensor) const {
  return state_->find(use, tensor);
}

bool SliceReader::has_file(const std::string& file) const {
  return state_->has_file(file);
}

void SliceReader::read(TensorUse use, std::size_t tensor, std::uint64_t offset,
                       std::span<std::byte> out) {
  state_->read(use, tensor, offset, out);
}

void SliceReader::open_all(TensorUse use) {
  state_->open_all(use);
}

}  // namespace fg::store
