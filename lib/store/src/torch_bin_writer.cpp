#include <algorithm>

#include <zlib.h>

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/store/torch_bin.hpp>

#include "little_endian.hpp"
#include "tensor_list.hpp"
#include "written_ranges.hpp"
#include "zip_plan.hpp"

namespace fg::store {
namespace {

std::string_view storage_class(Dtype dtype) {
  switch (dtype) {
    case Dtype::boolean:
      return "BoolStorage";
    case Dtype::uint8:
      return "ByteStorage";
    case Dtype::int8:
      return "CharStorage";
    case Dtype::int16:
      return "ShortStorage";
    case Dtype::int32:
      return "IntStorage";
    case Dtype::int64:
      return "LongStorage";
    case Dtype::float16:
      return "HalfStorage";
    case Dtype::bfloat16:
      return "BFloat16Storage";
    case Dtype::float32:
      return "FloatStorage";
    case Dtype::float64:
      return "DoubleStorage";
  }
  check_failed("a known dtype", __FILE__, __LINE__);
}

/// Writes the pickle of {name: tensor}, protocol 2, without memo: simple, and the same for the same
/// tensors.
class PickleText {
public:
  std::string take() && { return std::move(text_); }

  void begin() { text_ += "\x80\x02}"; }  // PROTO 2, EMPTY_DICT
  void end() { text_ += '.'; }
  void op(char opcode) { text_ += opcode; }
  void global(std::string_view module, std::string_view name) {
    text_ += 'c';
    text_.append(module).append("\n").append(name).append("\n");
  }
  void text(std::string_view value) {
    text_ += 'X';
    append_number(text_, static_cast<std::uint32_t>(value.size()));
    text_ += value;
  }
  void integer(std::uint64_t value) {
    if (value <= 0xff) {
      text_ += 'K';
      append_number(text_, static_cast<std::uint8_t>(value));
    } else if (value <= 0xffff) {
      text_ += 'M';
      append_number(text_, static_cast<std::uint16_t>(value));
    } else if (value <= 0x7fffffff) {
      text_ += 'J';
      append_number(text_, static_cast<std::uint32_t>(value));
    } else {
      text_ += "\x8a\x08";
      append_number(text_, value);  // below 2^63: the sign bit is clear
    }
  }
  void integers(std::span<const std::uint64_t> values) {
    op('(');
    for (const std::uint64_t value : values) integer(value);
    op('t');
  }

private:
  std::string text_;
};

void append_tensor(PickleText& pickle, const TensorInfo& tensor, std::size_t storage) {
  std::vector<std::uint64_t> strides(tensor.shape.size(), 1);
  for (std::size_t axis = strides.size(); axis-- > 1;)
    strides[axis - 1] = strides[axis] * std::max<std::uint64_t>(tensor.shape[axis], 1);
  pickle.text(tensor.name);
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.op('(');
  pickle.op('(');
  pickle.text("storage");
  pickle.global("torch", storage_class(tensor.dtype));
  pickle.text(std::to_string(storage));
  pickle.text("cpu");
  pickle.integer(*element_count(tensor.shape));
  pickle.op('t');
  pickle.op('Q');     // BINPERSID
  pickle.integer(0);  // storage offset
  pickle.integers(tensor.shape);
  pickle.integers(strides);
  pickle.op('\x89');  // requires_grad: NEWFALSE
  pickle.global("collections", "OrderedDict");
  pickle.op(')');
  pickle.op('R');  // no hooks
  pickle.op('t');
  pickle.op('R');
}

std::string pickle_of(std::span<const TensorInfo> tensors) {
  constexpr std::size_t batch = 1000;  // as pickle itself: an unpickler's stack stays short
  PickleText pickle;
  pickle.begin();
  for (std::size_t index = 0; index < tensors.size(); ++index) {
    if (index % batch == 0) pickle.op('(');
    append_tensor(pickle, tensors[index], index);
    if (index % batch == batch - 1 || index + 1 == tensors.size()) pickle.op('u');
  }
  pickle.end();
  return std::move(pickle).take();
}

std::uint32_t crc_of(std::string_view text) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
}

class TorchBinWriter final : public TensorFileWriter {
public:
  TorchBinWriter(const std::filesystem::path& path, std::vector<TensorInfo> tensors)
      : tensors_(std::move(tensors)) {
    check_tensors(tensors_, path.string(), ExitCode::cannot_save);
    pickle_ = pickle_of(tensors_);
    plan_.add("archive/data.pkl", pickle_.size());
    plan_.add("archive/byteorder", byteorder.size());
    for (std::size_t index = 0; index < tensors_.size(); ++index) {
      plan_.add("archive/data/" + std::to_string(index), byte_count(tensors_[index]));
      written_.emplace_back(byte_count(tensors_[index]), WrittenRanges::Checksum::crc32);
    }
    plan_.add("archive/version", version.size());
    const std::string directory =
        plan_.directory(std::vector<std::uint32_t>(plan_.entries().size()));
    file_ = std::make_unique<OutputFile>(path);
    file_->reserve(plan_.directory_begin() + directory.size());
  }

  std::span<const TensorInfo> tensors() const override { return tensors_; }
  void write(std::size_t index, std::uint64_t offset, std::span<const std::byte> bytes) override {
    written_.at(index).add(offset, bytes);
    file_->write_at(plan_.entries()[first_tensor + index].begin + offset, bytes);
  }
  void finish() override {
    std::vector<std::uint32_t> crcs = {crc_of(pickle_), crc_of(byteorder)};
    for (const WrittenRanges& ranges : written_) {
      FG_CHECK(ranges.complete());
      crcs.push_back(ranges.crc32());
    }
    crcs.push_back(crc_of(version));
    const std::vector<ZipPlan::Entry>& entries = plan_.entries();
    for (std::size_t index = 0; index < entries.size(); ++index)
      put(entries[index].header, plan_.local_header(entries[index], crcs[index]));
    put(entries[0].begin, pickle_);
    put(entries[1].begin, byteorder);
    put(entries.back().begin, version);
    put(plan_.directory_begin(), plan_.directory(crcs));
    file_->finish();
  }

private:
  static constexpr std::size_t first_tensor = 2;
  static constexpr std::string_view byteorder = "little";
  static constexpr std::string_view version = "3\n";

  void put(std::uint64_t offset, std::string_view text) {
    file_->write_at(offset, std::as_bytes(std::span(text)));
  }

  std::vector<TensorInfo> tensors_;
  std::string pickle_;
  ZipPlan plan_;
  std::vector<WrittenRanges> written_;
  std::unique_ptr<OutputFile> file_;
};

}  // namespace

std::unique_ptr<TensorFileWriter> create_torch_bin(const std::filesystem::path& path,
                                                   std::vector<TensorInfo> tensors) {
  return std::make_unique<TorchBinWriter>(path, std::move(tensors));
}

}  // namespace fg::store
