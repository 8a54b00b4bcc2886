#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/store/safetensors.hpp>

#include "mapped_reader.hpp"
#include "safetensors_header.hpp"
#include "tensor_list.hpp"
#include "written_ranges.hpp"

namespace fg::store {
namespace {

class SafetensorsReader final : public TensorFileReader {
public:
  explicit SafetensorsReader(const std::filesystem::path& path)
      : file_(map_weights(path)), header_(parse_safetensors_header(file_.bytes(), path.string())) {}

  std::span<const TensorInfo> tensors() const override { return header_.tensors; }
  void read(std::size_t index, std::uint64_t offset, std::span<std::byte> out) override {
    check_request(header_.tensors.at(index), offset, out.size());
    copy_mapped(file_, header_.offsets[index] + offset, out);
  }

private:
  MappedFile file_;
  SafetensorsHeader header_;
};

class SafetensorsWriter final : public TensorFileWriter {
public:
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorInfo> tensors,
                    const std::map<std::string, std::string>& metadata)
      : tensors_(std::move(tensors)) {
    check_tensors(tensors_, path.string(), ExitCode::cannot_save);
    layout_ = lay_out_safetensors(tensors_, metadata);
    if (layout_.header.size() - 8 > max_safetensors_header)
      fail(ExitCode::cannot_save, path.string() + ": the header would be longer than 100 MB");
    for (const TensorInfo& tensor : tensors_)
      written_.emplace_back(byte_count(tensor), WrittenRanges::Checksum::none);
    file_ = std::make_unique<OutputFile>(path);
    file_->reserve(layout_.size);
  }

  std::span<const TensorInfo> tensors() const override { return tensors_; }
  void write(std::size_t index, std::uint64_t offset, std::span<const std::byte> bytes) override {
    written_.at(index).add(offset, bytes);
    file_->write_at(layout_.offsets[index] + offset, bytes);
  }
  void finish() override {
    for (const WrittenRanges& ranges : written_) FG_CHECK(ranges.complete());
    // Last, so that a file which was not finished begins with zeros and no reader takes it.
    file_->write_at(0, std::as_bytes(std::span(layout_.header)));
    file_->finish();
  }

private:
  std::vector<TensorInfo> tensors_;
  SafetensorsLayout layout_;
  std::vector<WrittenRanges> written_;
  std::unique_ptr<OutputFile> file_;
};

}  // namespace

std::unique_ptr<TensorFileReader> open_safetensors(const std::filesystem::path& path) {
  return std::make_unique<SafetensorsReader>(path);
}

std::unique_ptr<TensorFileWriter> create_safetensors(
    const std::filesystem::path& path, std::vector<TensorInfo> tensors,
    const std::map<std::string, std::string>& metadata) {
  return std::make_unique<SafetensorsWriter>(path, std::move(tensors), metadata);
}

}  // namespace fg::store
