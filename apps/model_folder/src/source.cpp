#include <fg/base/error.hpp>
#include <fg/model_folder/source.hpp>

namespace fg::model_folder {

using store::TensorUse;

std::span<const store::TensorInfo> FolderSource::tensors(TensorUse use) const {
  if (use == TensorUse::optimizer) return {};
  return weights_.tensors();
}

std::optional<std::size_t> FolderSource::find(TensorUse use, std::string_view name) const {
  return use == TensorUse::optimizer ? std::nullopt : weights_.find(name);
}

void FolderSource::read(TensorUse use, std::size_t tensor, std::uint64_t offset,
                        std::span<std::byte> out) {
  FG_CHECK(use == TensorUse::weights);
  weights_.read(tensor, offset, out);
}

std::vector<std::string> FolderSource::notes() const {
  return {weights_.notes().begin(), weights_.notes().end()};
}

CheckpointSource::CheckpointSource(std::vector<store::SliceFolder> folders,
                                   std::vector<std::string> notes)
    : reader_(std::move(folders)), notes_(std::move(notes)) {
  for (const auto& tensor : reader_.table().weights) weights_.push_back(tensor.info);
  for (const auto& tensor : reader_.table().optimizer) optimizer_.push_back(tensor.info);
}

std::span<const store::TensorInfo> CheckpointSource::tensors(TensorUse use) const {
  return use == TensorUse::weights ? weights_ : optimizer_;
}

std::optional<std::size_t> CheckpointSource::find(TensorUse use, std::string_view name) const {
  return reader_.find(use, name);
}

void CheckpointSource::read(TensorUse use, std::size_t tensor, std::uint64_t offset,
                            std::span<std::byte> out) {
  reader_.read(use, tensor, offset, out);
}

}  // namespace fg::model_folder
