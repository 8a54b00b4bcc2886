#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fg/store/model_weights.hpp>
#include <fg/store/slices.hpp>

namespace fg::model_folder {

/// Where a new folder's tensors come from. Not thread-safe. Errors are Error(cannot_load).
class Source {
public:
  virtual ~Source() = default;

  virtual std::span<const store::TensorInfo> tensors(store::TensorUse use) const = 0;
  virtual std::optional<std::size_t> find(store::TensorUse use, std::string_view name) const = 0;
  /// Copies bytes [offset, offset + out.size()) of the tensor with this index in `tensors(use)`.
  virtual void read(store::TensorUse use, std::size_t tensor, std::uint64_t offset,
                    std::span<std::byte> out) = 0;
  /// Sentences for the user about what was taken and why.
  virtual std::vector<std::string> notes() const = 0;
};

/// The weights of a model folder.
class FolderSource final : public Source {
public:
  explicit FolderSource(const std::filesystem::path& folder) : weights_(folder) {}

  std::span<const store::TensorInfo> tensors(store::TensorUse use) const override;
  std::optional<std::size_t> find(store::TensorUse use, std::string_view name) const override;
  void read(store::TensorUse use, std::size_t tensor, std::uint64_t offset,
            std::span<std::byte> out) override;
  std::vector<std::string> notes() const override;

private:
  store::ModelWeights weights_;
};

/// Weights and optimizer state of a checkpoint, which may lie in several folders.
class CheckpointSource final : public Source {
public:
  CheckpointSource(std::vector<store::SliceFolder> folders, std::vector<std::string> notes);

  std::span<const store::TensorInfo> tensors(store::TensorUse use) const override;
  std::optional<std::size_t> find(store::TensorUse use, std::string_view name) const override;
  void read(store::TensorUse use, std::size_t tensor, std::uint64_t offset,
            std::span<std::byte> out) override;
  std::vector<std::string> notes() const override { return notes_; }

private:
  store::SliceReader reader_;
  std::vector<store::TensorInfo> weights_;
  std::vector<store::TensorInfo> optimizer_;
  std::vector<std::string> notes_;
};

}  // namespace fg::model_folder
