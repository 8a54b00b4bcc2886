#include <algorithm>
#include <cerrno>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fg/base/file.hpp>
#include <fg/store/hdf5.hpp>

#include "hdf5_calls.hpp"
#include "tensor_list.hpp"
#include "written_ranges.hpp"

namespace fg::store {
namespace {

/// Tensors of this size and more begin at a page, for direct and mapped reading.
constexpr hsize_t aligned_from = 65536;
constexpr hsize_t alignment = 4096;

/// Throws for what create_hdf5 cannot write, before there is a file.
const std::filesystem::path& checked(const std::filesystem::path& path,
                                     std::span<const TensorInfo> tensors) {
  check_tensors(tensors, path.string(), ExitCode::cannot_save);
  constexpr std::uint64_t most = std::uint64_t{1} << 60;  // all together
  std::uint64_t total = 0;
  for (const TensorInfo& tensor : tensors) {
    if (const std::string fault = name_fault(tensor.name); !fault.empty())
      fail(ExitCode::cannot_save, path.string() + ": " + fault);
    const std::uint64_t size = byte_count(tensor);
    if (size > most - total)
      fail(ExitCode::cannot_save,
           path.string() + ": tensor " + shown(tensor.name) + " is too large");
    total += size;
  }
  return path;
}

H5Id make_access_list(const H5Check& h5_check) {
  H5Id list = h5_check.id(H5Pcreate(H5P_FILE_ACCESS), "make a property list");
  // One format whatever the library's version, and one that marks a file as open for writing.
  h5_check(H5Pset_libver_bounds(list.get(), H5F_LIBVER_V110, H5F_LIBVER_V110), "fix the format");
  h5_check(H5Pset_fclose_degree(list.get(), H5F_CLOSE_SEMI), "fix the way of closing");
  h5_check(H5Pset_alignment(list.get(), aligned_from, alignment), "set the alignment");
  // The usual driver insists on the real path of a link, and a file in memory has none.
  h5_check(H5Pset_fapl_stdio(list.get()), "choose the driver");
  return list;
}

H5Id make_file_list(const H5Check& h5_check) {
  H5Id list = h5_check.id(H5Pcreate(H5P_FILE_CREATE), "make a property list");
  h5_check(H5Pset_obj_track_times(list.get(), false), "leave out times");
  h5_check(H5Pset_link_creation_order(list.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED),
           "keep the order of creation");
  return list;
}

H5Id make_dataset_list(const H5Check& h5_check) {
  H5Id list = h5_check.id(H5Pcreate(H5P_DATASET_CREATE), "make a property list");
  h5_check(H5Pset_obj_track_times(list.get(), false), "leave out times");
  h5_check(H5Pset_layout(list.get(), H5D_CONTIGUOUS), "set the layout");
  h5_check(H5Pset_alloc_time(list.get(), H5D_ALLOC_TIME_EARLY), "set the time of allocation");
  h5_check(H5Pset_fill_time(list.get(), H5D_FILL_TIME_NEVER), "switch filling off");
  return list;
}

/// A file of no file system, whose holes take no memory.
class MemoryFile {
public:
  explicit MemoryFile(const std::string& path_for_messages)
      : descriptor_(::memfd_create("hdf5", MFD_CLOEXEC)), name_(path_for_messages) {
    if (descriptor_.empty()) refuse("make");
  }

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_.get()); }
  std::uint64_t size() const {
    struct stat status {};
    if (::fstat(descriptor_.get(), &status) != 0) refuse("stat");
    return static_cast<std::uint64_t>(status.st_size);
  }
  void read(std::uint64_t offset, std::span<std::byte> out) const {
    if (::pread(descriptor_.get(), out.data(), out.size(), static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(out.size()))
      refuse("read");
  }

private:
  [[noreturn]] void refuse(const char* doing) const {
    fail(ExitCode::cannot_save,
         name_ + ": cannot " + doing + " a file in memory: " + errno_text(errno));
  }
  static void close(int descriptor) { ::close(descriptor); }

  Owned<int, close, -1> descriptor_;
  std::string name_;
};

class Hdf5Writer final : public TensorFileWriter {
public:
  Hdf5Writer(const std::filesystem::path& path, std::vector<TensorInfo> tensors)
      : tensors_(std::move(tensors)), file_(checked(path, tensors_)) {
    for (const TensorInfo& tensor : tensors_)
      written_.emplace_back(byte_count(tensor), WrittenRanges::Checksum::none);
    const MemoryFile structure(path.string());
    make_structure(structure.path());
    file_.reserve(structure.size());
    copy_structure(structure);
  }

  std::span<const TensorInfo> tensors() const override { return tensors_; }
  void write(std::size_t index, std::uint64_t offset, std::span<const std::byte> bytes) override;
  void finish() override;

private:
  void make_structure(const std::string& path);
  std::uint64_t make_dataset(hid_t file, const TensorInfo& tensor, hid_t links, hid_t list,
                             const H5Check& h5_check);
  void copy_structure(const MemoryFile& structure);

  std::vector<TensorInfo> tensors_;
  std::vector<std::uint64_t> offsets_;  // in the file; 0 for an empty tensor
  std::vector<WrittenRanges> written_;
  OutputFile file_;
};

/// All that HDF5 itself writes, with a place for every dataset. In memory, since HDF5 does not
/// survive a disk that is full or fails: it crashes when the process ends.
void Hdf5Writer::make_structure(const std::string& path) {
  const H5Session session;
  const H5Check h5_check{ExitCode::cannot_save, file_.path().string()};
  const H5Id access = make_access_list(h5_check);
  const H5Id creation = make_file_list(h5_check);
  const H5Id links = h5_check.id(H5Pcreate(H5P_LINK_CREATE), "make a property list");
  h5_check(H5Pset_char_encoding(links.get(), H5T_CSET_UTF8), "set the names' encoding");
  const H5Id list = make_dataset_list(h5_check);
  H5Id file =
      h5_check.id(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), "create");
  offsets_.reserve(tensors_.size());
  for (const TensorInfo& tensor : tensors_)
    offsets_.push_back(make_dataset(file.get(), tensor, links.get(), list.get(), h5_check));
  h5_check(H5Fclose(file.take()), "close");
}

std::uint64_t Hdf5Writer::make_dataset(hid_t file, const TensorInfo& tensor, hid_t links,
                                       hid_t list, const H5Check& h5_check) {
  const H5Id type = make_h5_type(tensor.dtype, h5_check);
  const std::vector<hsize_t> dimensions(tensor.shape.begin(), tensor.shape.end());
  const H5Id space = h5_check.id(
      dimensions.empty()
          ? H5Screate(H5S_SCALAR)
          : H5Screate_simple(static_cast<int>(dimensions.size()), dimensions.data(), nullptr),
      "describe a shape");
  const H5Id dataset = h5_check.id(
      H5Dcreate2(file, tensor.name.c_str(), type.get(), space.get(), links, list, H5P_DEFAULT),
      ("create the dataset " + shown(tensor.name)).c_str());
  if (byte_count(tensor) == 0) return 0;
  const haddr_t offset = H5Dget_offset(dataset.get());
  if (offset == HADDR_UNDEF) fail_h5(h5_check.code, h5_check.path, "place a dataset");
  return offset;
}

/// Copies what lies before, between and behind the tensors' places, but the signature.
void Hdf5Writer::copy_structure(const MemoryFile& structure) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;  // begin and end
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (const std::uint64_t size = byte_count(tensors_[i]); size != 0)
      places.emplace_back(offsets_[i], offsets_[i] + size);
  places.emplace_back(structure.size(), structure.size());
  std::ranges::sort(places);
  std::vector<std::byte> buffer;
  std::uint64_t at = h5_signature.size();
  for (const auto& [begin, end] : places) {
    for (; at < begin; at += buffer.size()) {
      buffer.resize(std::min<std::uint64_t>(begin - at, 1 << 20));
      structure.read(at, buffer);
      file_.write_at(at, buffer);
    }
    FG_CHECK(at == begin);
    at = end;
  }
}

void Hdf5Writer::write(std::size_t index, std::uint64_t offset, std::span<const std::byte> bytes) {
  FG_CHECK(index < tensors_.size());
  written_[index].add(offset, bytes);
  file_.write_at(offsets_[index] + offset, bytes);
}

void Hdf5Writer::finish() {
  for (const WrittenRanges& ranges : written_) FG_CHECK(ranges.complete());
  sync_path(file_.path());  // the data is down before the signature says so
  file_.write_at(0, std::as_bytes(std::span(h5_signature)));
  file_.finish();
}

}  // namespace

std::unique_ptr<TensorFileWriter> create_hdf5(const std::filesystem::path& path,
                                              std::vector<TensorInfo> tensors) {
  return std::make_unique<Hdf5Writer>(path, std::move(tensors));
}

}  // namespace fg::store
