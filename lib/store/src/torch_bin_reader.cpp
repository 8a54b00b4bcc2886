#include "torch_bin_reader.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include <fg/base/error.hpp>
#include <fg/store/torch_bin.hpp>

#include "mapped_reader.hpp"
#include "tensor_list.hpp"
#include "zip_directory.hpp"

namespace fg::store {
namespace {

std::string_view text_of(const MappedFile& file, const ZipEntry& entry) {
  return {reinterpret_cast<const char*>(file.bytes().data()) + entry.begin, entry.size};
}

void refuse_other_formats(const MappedFile& file, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  const std::string remedy =
      "; load it in Python and save it again: torch.save(torch.load(old, weights_only=True), new)";
  // A pickle of the integer 0x1950a86a20f9469cfc6c begins every file of torch.save before 1.6.
  if (text.starts_with(
          std::string_view("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14)))
    fail(ExitCode::cannot_load,
         name + ": the file format of PyTorch before 1.6 is not read" + remedy);
  if (text.size() > 262 && text.substr(257, 5) == "ustar")
    fail(ExitCode::cannot_load, name + ": the tar format of PyTorch 0.1 is not read" + remedy);
  if (!text.starts_with("PK\x03\x04"))
    fail(ExitCode::cannot_load, name + ": not a file of torch.save (it does not begin with PK)");
}

/// The records of an archive by their names inside its one folder.
class Records {
public:
  Records(const MappedFile& file, const std::string& name)
      : name_(name), entries_(read_zip_directory(file.bytes(), name)) {
    if (entries_.empty()) refuse("it is empty");
    const std::size_t slash = entries_.front().name.find('/');
    if (slash == std::string_view::npos) refuse("its records lie in no folder");
    folder_ = entries_.front().name.substr(0, slash + 1);
    for (const ZipEntry& entry : entries_) check(entry);
  }

  const ZipEntry* find(const std::string& record) const {
    const std::string whole = std::string(folder_) + record;
    const auto place =
        std::ranges::lower_bound(entries_, std::string_view(whole), {}, &ZipEntry::name);
    return place != entries_.end() && place->name == whole ? &*place : nullptr;
  }

private:
  [[noreturn]] void refuse(const std::string& rule) const {
    fail(ExitCode::cannot_load, name_ + ": not a state dict saved by PyTorch: " + rule);
  }
  void check(const ZipEntry& entry) const {
    if (!entry.name.starts_with(folder_)) refuse("its records lie in more than one folder");
    const std::string_view record = entry.name.substr(folder_.size());
    if (record == "constants.pkl" || record.starts_with("code/"))
      refuse("it is a TorchScript archive (a program), not weights");
    static constexpr std::string_view known[] = {"data.pkl",           "version",
                                                 "byteorder",          ".format_version",
                                                 ".storage_alignment", ".data/serialization_id"};
    const bool is_storage = record.starts_with("data/") && record.size() > 5 &&
                            record.find_first_not_of("0123456789", 5) == std::string_view::npos;
    if (!is_storage && std::ranges::find(known, record) == std::end(known))
      refuse("record " + shown(entry.name) + " does not belong there");
  }

  const std::string& name_;
  std::vector<ZipEntry> entries_;
  std::string_view folder_;
};

bool is_row_major(const PickledTensor& tensor) {
  std::uint64_t expected = 1;
  for (std::size_t axis = tensor.strides.size(); axis-- > 0;) {
    const std::uint64_t size = tensor.info.shape[axis];
    if (size != 1 && tensor.strides[axis] != expected) return false;
    expected *= size;
  }
  return true;
}

/// Walks a tensor in row-major order from a given element and knows where each lies in its storage.
class StridedWalk {
public:
  StridedWalk(const PickledTensor& tensor, std::uint64_t element)
      : tensor_(tensor), place_(tensor.offset), index_(tensor.info.shape.size()) {
    for (std::size_t axis = index_.size(); axis-- > 0;) {
      index_[axis] = element % tensor.info.shape[axis];
      element /= tensor.info.shape[axis];
      place_ += index_[axis] * tensor.strides[axis];
    }
  }

  std::uint64_t place() const { return place_; }
  void next() {
    for (std::size_t axis = index_.size(); axis-- > 0;) {
      if (++index_[axis] < tensor_.info.shape[axis]) {
        place_ += tensor_.strides[axis];
        return;
      }
      place_ -= (tensor_.info.shape[axis] - 1) * tensor_.strides[axis];
      index_[axis] = 0;
    }
  }

private:
  const PickledTensor& tensor_;
  std::uint64_t place_;
  std::vector<std::uint64_t> index_;
};

}  // namespace

TorchBinReader::TorchBinReader(const std::filesystem::path& path) : file_(map_weights(path)) {
  const std::string name = path.string();
  refuse_other_formats(file_, name);
  find_records(name);
  for (PickledTensor& tensor : state_.tensors) infos_.push_back(tensor.info);
  check_tensors(infos_, name, ExitCode::cannot_load);
}

void TorchBinReader::find_records(const std::string& name) {
  const Records records(file_, name);
  const ZipEntry* order = records.find("byteorder");
  if (order != nullptr && text_of(file_, *order) != "little")
    fail(ExitCode::cannot_load, name + ": its numbers are not little-endian (record byteorder)");
  const ZipEntry* pickle = records.find("data.pkl");
  if (pickle == nullptr) fail(ExitCode::cannot_load, name + ": it has no record data.pkl");
  state_ = read_state_dict_pickle(text_of(file_, *pickle), name);
  for (const PickledStorage& storage : state_.storages) {
    const std::string record = "data/" + std::string(storage.key);
    const ZipEntry* entry = records.find(record);
    if (entry == nullptr) fail(ExitCode::cannot_load, name + ": it has no record " + record);
    const auto wanted = checked_byte_count(storage.dtype, std::span(&storage.count, 1));
    if (!wanted || entry->size != *wanted)
      fail(ExitCode::cannot_load, name + ": record " + record + " has " +
                                      std::to_string(entry->size) + " bytes, but its storage is " +
                                      std::to_string(storage.count) + " elements of " +
                                      std::string(name_of(storage.dtype)));
    storage_begins_.push_back(entry->begin);
  }
}

void TorchBinReader::read(std::size_t index, std::uint64_t offset, std::span<std::byte> out) {
  const PickledTensor& tensor = state_.tensors.at(index);
  check_request(tensor.info, offset, out.size());
  if (out.empty()) return;
  const std::uint64_t storage = storage_begins_[tensor.storage];
  if (is_row_major(tensor))
    copy_mapped(file_, storage + tensor.offset * size_of(tensor.info.dtype) + offset, out);
  else
    gather(tensor, storage, offset, out);
}

void TorchBinReader::gather(const PickledTensor& tensor, std::uint64_t begin, std::uint64_t offset,
                            std::span<std::byte> out) const {
  const std::uint64_t width = size_of(tensor.info.dtype);
  StridedWalk walk(tensor, offset / width);
  std::uint64_t skip = offset % width;  // a request may begin inside an element
  const std::byte* const data = file_.bytes().data() + begin;
  while (!out.empty()) {
    const std::size_t count = std::min<std::size_t>(width - skip, out.size());
    std::memcpy(out.data(), data + walk.place() * width + skip, count);
    out = out.subspan(count);
    skip = 0;
    if (!out.empty()) walk.next();
  }
}

std::uint64_t TorchBinReader::repeated_bytes() const {
  std::vector<bool> seen(state_.storages.size());
  std::uint64_t bytes = 0;
  for (const PickledTensor& tensor : state_.tensors) {
    if (seen[tensor.storage]) bytes += byte_count(tensor.info);
    seen[tensor.storage] = true;
  }
  return bytes;
}

std::unique_ptr<TensorFileReader> open_torch_bin(const std::filesystem::path& path) {
  return std::make_unique<TorchBinReader>(path);
}

}  // namespace fg::store
