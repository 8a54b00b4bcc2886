#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fg/base/failpoint.hpp>
#include <fg/store/hdf5.hpp>

#include "hdf5_calls.hpp"
#include "tensor_list.hpp"

namespace fg::store {
namespace {

void close_descriptor(int descriptor) {
  ::close(descriptor);
}
using Descriptor = Owned<int, close_descriptor, -1>;

constexpr std::array all_dtypes = {Dtype::boolean, Dtype::uint8,  Dtype::int8,    Dtype::int16,
                                   Dtype::int32,   Dtype::int64,  Dtype::float16, Dtype::bfloat16,
                                   Dtype::float32, Dtype::float64};

struct Link {
  std::string name;
  H5L_type_t type;
};

struct Links {
  std::vector<Link> all;
  bool too_many = false;
};

herr_t take_link(hid_t, const char* name, const H5L_info_t* info, void* target) {
  Links& links = *static_cast<Links*>(target);
  links.too_many = links.all.size() == max_tensors;
  if (links.too_many) return 1;
  try {
    links.all.push_back({name, info->type});
  } catch (...) {
    return -1;  // no exception may pass through C
  }
  return 0;
}

class Hdf5Reader final : public TensorFileReader {
public:
  explicit Hdf5Reader(const std::filesystem::path& path)
      : path_(path.string()), h5_check_{ExitCode::cannot_load, path_} {
    open_file();
    const H5Session session;
    read_structure();
    check_tensors(tensors_, path_, ExitCode::cannot_load);
    check_no_overlap();
  }

  std::span<const TensorInfo> tensors() const override { return tensors_; }
  void read(std::size_t index, std::uint64_t offset, std::span<std::byte> out) override;

private:
  [[noreturn]] void refuse(const std::string& why) const {
    fail(ExitCode::cannot_load, path_ + ": " + why);
  }
  void open_file();
  void read_at(std::uint64_t offset, std::span<std::byte> out) const;
  void read_structure();
  std::vector<Link> list_links(hid_t file) const;
  void add_tensor(hid_t file, const Link& link, std::span<const H5Id> types);
  void check_storage(hid_t dataset, const std::string& what) const;
  TensorInfo describe(hid_t dataset, const Link& link, std::span<const H5Id> types) const;
  std::vector<std::uint64_t> shape_of(hid_t dataset, const std::string& what) const;
  std::uint64_t place_of(hid_t dataset, const TensorInfo& tensor, const std::string& what) const;
  void check_no_overlap() const;

  std::string path_;
  H5Check h5_check_;
  Descriptor descriptor_;
  std::uint64_t file_size_ = 0;
  std::vector<TensorInfo> tensors_;
  std::vector<std::uint64_t> offsets_;
};

void Hdf5Reader::open_file() {
  descriptor_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor_.empty()) refuse("cannot open: " + errno_text(errno));
  struct stat status {};
  if (::fstat(descriptor_.get(), &status) != 0) refuse("cannot stat: " + errno_text(errno));
  if (!S_ISREG(status.st_mode)) refuse("not a regular file");
  file_size_ = static_cast<std::uint64_t>(status.st_size);
  std::array<char, h5_signature.size()> start{};
  if (file_size_ >= start.size()) read_at(0, std::as_writable_bytes(std::span(start)));
  if (std::string_view(start.data(), start.size()) != h5_signature)
    refuse("does not begin as an HDF5 file; it is of another kind, or its writing was cut short");
}

void Hdf5Reader::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t count =
        ::pread(descriptor_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) refuse("cannot read: " + errno_text(errno));
    if (count == 0) refuse("ends at byte " + std::to_string(offset) + ": it was cut while in use");
    offset += static_cast<std::uint64_t>(count);
    out = out.subspan(static_cast<std::size_t>(count));
  }
}

void Hdf5Reader::read_structure() {
  const H5Id access = h5_check_.id(H5Pcreate(H5P_FILE_ACCESS), "make a property list");
  h5_check_(H5Pset_file_locking(access.get(), false, true), "switch file locks off");
  const H5Id file = h5_check_.id(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.get()), "open");
  const H5Id creation = h5_check_.id(H5Fget_create_plist(file.get()), "read the file's properties");
  hsize_t user_block = 0;
  h5_check_(H5Pget_userblock(creation.get(), &user_block), "read the file's properties");
  if (user_block != 0) refuse("begins with a user block");
  std::vector<H5Id> types;
  for (const Dtype dtype : all_dtypes) types.push_back(make_h5_type(dtype, h5_check_));
  for (const Link& link : list_links(file.get())) add_tensor(file.get(), link, types);
}

std::vector<Link> Hdf5Reader::list_links(hid_t file) const {
  const H5Id root = h5_check_.id(H5Gopen2(file, "/", H5P_DEFAULT), "open the root group");
  const H5Id creation =
      h5_check_.id(H5Gget_create_plist(root.get()), "read the group's properties");
  unsigned order = 0;
  h5_check_(H5Pget_link_creation_order(creation.get(), &order), "read the order of the datasets");
  const bool indexed = (order & H5P_CRT_ORDER_INDEXED) != 0;
  Links links;
  hsize_t position = 0;
  h5_check_(H5Literate(file, indexed ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME, H5_ITER_INC, &position,
                       take_link, &links),
            "list the datasets");
  if (links.too_many) refuse("more than " + std::to_string(max_tensors) + " datasets");
  return std::move(links.all);
}

void Hdf5Reader::add_tensor(hid_t file, const Link& link, std::span<const H5Id> types) {
  if (const std::string fault = name_fault(link.name); !fault.empty()) refuse(fault);
  const std::string what = shown(link.name) + " ";
  if (link.type == H5L_TYPE_SOFT) refuse(what + "is a soft link; only plain datasets are read");
  if (link.type == H5L_TYPE_EXTERNAL)
    refuse(what + "is a link to another file; only plain datasets are read");
  if (link.type != H5L_TYPE_HARD) refuse(what + "is a link of an unknown kind");
  const H5Id object = h5_check_.id(H5Oopen(file, link.name.c_str(), H5P_DEFAULT),
                                   ("open the object " + shown(link.name)).c_str());
  const H5I_type_t kind = H5Iget_type(object.get());
  if (kind == H5I_GROUP) refuse(what + "is a group; tensors lie in the root group");
  if (kind != H5I_DATASET) refuse(what + "is not a dataset");
  check_storage(object.get(), what);
  const TensorInfo tensor = describe(object.get(), link, types);
  offsets_.push_back(place_of(object.get(), tensor, what));
  tensors_.push_back(tensor);
}

/// Before anything else is asked of a dataset: a virtual one may open other files.
void Hdf5Reader::check_storage(hid_t dataset, const std::string& what) const {
  const H5Id list = h5_check_.id(H5Dget_create_plist(dataset), "read a dataset's properties");
  const H5D_layout_t layout = h5_check_(H5Pget_layout(list.get()), "read a dataset's layout");
  if (layout == H5D_VIRTUAL) refuse(what + "is virtual: its data lie in other files");
  if (layout == H5D_CHUNKED) refuse(what + "is chunked; only contiguous datasets are read");
  if (layout != H5D_CONTIGUOUS) refuse(what + "is not contiguous; only such datasets are read");
  if (h5_check_(H5Pget_nfilters(list.get()), "read a dataset's filters") != 0)
    refuse(what + "has filters; only plain data is read");
  if (h5_check_(H5Pget_external_count(list.get()), "read a dataset's storage") != 0)
    refuse(what + "keeps its data in another file");
}

TensorInfo Hdf5Reader::describe(hid_t dataset, const Link& link,
                                std::span<const H5Id> types) const {
  const std::string what = shown(link.name) + " ";
  const H5Id type = h5_check_.id(H5Dget_type(dataset), "read a dataset's type");
  std::optional<Dtype> dtype;
  for (std::size_t i = 0; i < types.size() && !dtype; ++i)
    if (h5_check_(H5Tequal(type.get(), types[i].get()), "compare types") > 0) dtype = all_dtypes[i];
  if (!dtype)
    refuse(what + "is of the type " + describe_h5_type(type.get()) +
           "; read are booleans, 8-bit to 64-bit integers, float16, bfloat16, float32 and float64, "
           "little-endian");
  return {link.name, *dtype, shape_of(dataset, what)};
}

std::vector<std::uint64_t> Hdf5Reader::shape_of(hid_t dataset, const std::string& what) const {
  const H5Id space = h5_check_.id(H5Dget_space(dataset), "read a dataset's shape");
  const H5S_class_t kind = H5Sget_simple_extent_type(space.get());
  if (kind != H5S_SCALAR && kind != H5S_SIMPLE) refuse(what + "has no shape");
  const int dimensions =
      h5_check_(H5Sget_simple_extent_ndims(space.get()), "read a dataset's shape");
  if (dimensions > static_cast<int>(max_dimensions))
    refuse(what + "has " + std::to_string(dimensions) + " dimensions, the limit is " +
           std::to_string(max_dimensions));
  std::array<hsize_t, max_dimensions> sizes{};
  h5_check_(H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr),
            "read a dataset's shape");
  return {sizes.begin(), sizes.begin() + dimensions};
}

/// Where the data begin; checks that they lie in the file and are what the shape says.
std::uint64_t Hdf5Reader::place_of(hid_t dataset, const TensorInfo& tensor,
                                   const std::string& what) const {
  const std::optional<std::uint64_t> needed = checked_byte_count(tensor.dtype, tensor.shape);
  if (!needed) refuse(what + "has a shape whose size does not fit 63 bits");
  const std::uint64_t size = *needed;
  if (size == 0) return 0;
  const std::uint64_t stored = H5Dget_storage_size(dataset);
  const haddr_t offset = H5Dget_offset(dataset);
  if (stored == 0 || offset == HADDR_UNDEF) refuse(what + "has no data in the file");
  if (stored != size)
    refuse(what + "has " + std::to_string(stored) + " bytes of data, its shape needs " +
           std::to_string(size));
  if (offset > file_size_ || size > file_size_ - offset)
    refuse(what + "has data up to byte " + std::to_string(offset) + " + " + std::to_string(size) +
           ", the file ends at " + std::to_string(file_size_));
  return offset;
}

void Hdf5Reader::check_no_overlap() const {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (byte_count(tensors_[i]) != 0) order.push_back(i);
  std::ranges::sort(order, {}, [&](std::size_t i) { return offsets_[i]; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const std::size_t first = order[i - 1];
    const std::size_t second = order[i];
    if (offsets_[first] + byte_count(tensors_[first]) > offsets_[second] &&
        !fault_planted("store.hdf5_overlap"))
      refuse(shown(tensors_[first].name) + " and " + shown(tensors_[second].name) +
             " share bytes of the file");
  }
}

void Hdf5Reader::read(std::size_t index, std::uint64_t offset, std::span<std::byte> out) {
  FG_CHECK(index < tensors_.size());
  const std::uint64_t size = byte_count(tensors_[index]);
  FG_CHECK(offset <= size && out.size() <= size - offset);
  read_at(offsets_[index] + offset, out);
}

}  // namespace

std::unique_ptr<TensorFileReader> open_hdf5(const std::filesystem::path& path) {
  return std::make_unique<Hdf5Reader>(path);
}

}  // namespace fg::store
