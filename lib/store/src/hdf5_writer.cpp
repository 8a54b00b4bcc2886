#include <array>
#include <cstring>
#include <limits>
#include <unordered_set>

#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/store/hdf5.hpp>

#include "hdf5_calls.hpp"

namespace fg::store {
namespace {

/// Tensors of this size and more begin at a page, for direct and mapped reading.
constexpr hsize_t aligned_from = 65536;
constexpr hsize_t alignment = 4096;

/// Throws for what create_hdf5 cannot write; returns the bytes of all tensors together.
std::uint64_t check_tensors(const std::string& path, const std::vector<TensorInfo>& tensors) {
  constexpr std::uint64_t most = std::uint64_t{1} << 60;
  const auto refuse = [&](const std::string& why) {
    fail(ExitCode::cannot_save, path + ": " + why);
  };
  if (tensors.size() > max_tensors) refuse("more than " + std::to_string(max_tensors) + " tensors");
  std::unordered_set<std::string_view> names;
  std::uint64_t total = 0;
  for (const TensorInfo& tensor : tensors) {
    if (const std::string fault = name_fault(tensor.name); !fault.empty()) refuse(fault);
    if (!names.insert(tensor.name).second) refuse("tensor '" + tensor.name + "' is given twice");
    if (tensor.shape.size() > max_tensor_dimensions)
      refuse("tensor '" + tensor.name + "' has " + std::to_string(tensor.shape.size()) +
             " dimensions, the limit is " + std::to_string(max_tensor_dimensions));
    const std::optional<std::uint64_t> count = element_count(tensor.shape);
    if (!count || *count > most / size_of(tensor.dtype) ||
        total > most - *count * size_of(tensor.dtype))
      refuse("tensor '" + tensor.name + "' is too large");
    total += *count * size_of(tensor.dtype);
  }
  return total;
}

H5Id make_access_list(const H5Check& h5_check) {
  H5Id list = h5_check.id(H5Pcreate(H5P_FILE_ACCESS), "make a property list");
  // One format whatever the library's version, and one that marks a file as open for writing.
  h5_check(H5Pset_libver_bounds(list.get(), H5F_LIBVER_V110, H5F_LIBVER_V110), "fix the format");
  h5_check(H5Pset_fclose_degree(list.get(), H5F_CLOSE_SEMI), "fix the way of closing");
  h5_check(H5Pset_alignment(list.get(), aligned_from, alignment), "set the alignment");
  h5_check(H5Pset_file_locking(list.get(), false, true), "switch file locks off");
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

class Hdf5Writer final : public TensorFileWriter {
public:
  Hdf5Writer(const std::filesystem::path& path, std::vector<TensorInfo> tensors)
      : tensors_(std::move(tensors)),
        data_bytes_(check_tensors(path.string(), tensors_)),
        file_(path) {
    make_structure();
    hide_signature();
  }

  std::span<const TensorInfo> tensors() const override { return tensors_; }
  void write(std::size_t index, std::uint64_t offset, std::span<const std::byte> bytes) override;
  void finish() override;

private:
  void make_structure();
  std::uint64_t make_dataset(hid_t file, const TensorInfo& tensor, hid_t links, hid_t list,
                             const H5Check& h5_check);
  void hide_signature();

  std::vector<TensorInfo> tensors_;
  std::vector<std::uint64_t> offsets_;  // in the file; 0 for an empty tensor
  std::uint64_t data_bytes_;
  std::uint64_t written_ = 0;
  OutputFile file_;
};

/// All that HDF5 itself writes. Every dataset gets its place here, before any of its bytes.
void Hdf5Writer::make_structure() {
  const H5Session session;
  const H5Check h5_check{ExitCode::cannot_save, file_.path().string()};
  const H5Id access = make_access_list(h5_check);
  const H5Id creation = make_file_list(h5_check);
  const H5Id links = h5_check.id(H5Pcreate(H5P_LINK_CREATE), "make a property list");
  h5_check(H5Pset_char_encoding(links.get(), H5T_CSET_UTF8), "set the names' encoding");
  const H5Id list = make_dataset_list(h5_check);
  // Truncating keeps the file that file_ holds open.
  H5Id file = h5_check.id(
      H5Fcreate(file_.path().c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), "create");
  // A full disk shows here and not inside HDF5, which does not recover from it. Structure needs
  // less than a page a tensor; what is too much is cut off below.
  file_.reserve(data_bytes_ + (tensors_.size() + 256) * (alignment + max_tensor_name));
  offsets_.reserve(tensors_.size());
  for (const TensorInfo& tensor : tensors_)
    offsets_.push_back(make_dataset(file.get(), tensor, links.get(), list.get(), h5_check));
  fail_point("hdf5.before_close");
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
      ("create the dataset " + tensor.name).c_str());
  if (byte_count(tensor) == 0) return 0;
  const haddr_t offset = H5Dget_offset(dataset.get());
  if (offset == HADDR_UNDEF) fail_h5(h5_check.code, h5_check.path, "place a dataset");
  return offset;
}

/// Takes the signature away until finish(), and cuts off what was reserved beyond the file's end.
void Hdf5Writer::hide_signature() {
  // Superblock of version 3: signature, version, ..., at byte 28 the end of the file.
  const std::string start = [&] {
    const MappedFile map(file_.path());
    FG_CHECK(map.bytes().size() >= 48);
    return std::string(reinterpret_cast<const char*>(map.bytes().data()), 48);
  }();
  FG_CHECK(start.starts_with(h5_signature) && start[8] == 3);
  std::uint64_t end = 0;
  std::memcpy(&end, start.data() + 28, sizeof end);
  FG_CHECK(end >= data_bytes_);
  std::error_code error;
  std::filesystem::resize_file(file_.path(), end, error);
  if (error)
    fail(ExitCode::cannot_save,
         file_.path().string() + ": cannot set the size: " + error.message());
  constexpr std::array<std::byte, 8> nothing{};
  file_.write_at(0, nothing);
}

void Hdf5Writer::write(std::size_t index, std::uint64_t offset, std::span<const std::byte> bytes) {
  FG_CHECK(index < tensors_.size());
  const std::uint64_t size = byte_count(tensors_[index]);
  FG_CHECK(offset <= size && bytes.size() <= size - offset);
  file_.write_at(offsets_[index] + offset, bytes);
  written_ += bytes.size();
}

void Hdf5Writer::finish() {
  FG_CHECK(written_ == data_bytes_);
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
