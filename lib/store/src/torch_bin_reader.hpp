#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <fg/base/file.hpp>
#include <fg/store/tensor_file.hpp>

#include "state_dict_pickle.hpp"

namespace fg::store {

class TorchBinReader final : public TensorFileReader {
public:
  explicit TorchBinReader(const std::filesystem::path& path);

  std::span<const TensorInfo> tensors() const override { return infos_; }
  void read(std::size_t index, std::uint64_t offset, std::span<std::byte> out) override;

  /// Bytes of the tensors whose storage an earlier tensor has already: an index may or may not
  /// count them into its total.
  std::uint64_t repeated_bytes() const;

private:
  void find_records(const std::string& name);
  void gather(const PickledTensor& tensor, std::uint64_t begin, std::uint64_t offset,
              std::span<std::byte> out) const;

  MappedFile file_;
  PickledStateDict state_;
  std::vector<TensorInfo> infos_;
  std::vector<std::uint64_t> storage_begins_;  // in the file
};

}  // namespace fg::store
