#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include <fg/store/tensor_file.hpp>

namespace fg::store {

/// Opens a file of `torch.save` (since PyTorch 1.6: a zip archive) that holds a plain state dict.
/// It is read by our own machine: nothing in it is ever called or imported, and every number is
/// checked against the bytes that are there. Views (transposed, sliced, shared) read as row-major
/// tensors; two names of one storage are two tensors. Refused by name: compressed or overlapping
/// records, other classes or functions than a state dict needs, entries that are not tensors,
/// expanded views, big-endian files, TorchScript archives, and the format before PyTorch 1.6. CRCs
/// are not checked (see zip_directory.hpp).
std::unique_ptr<TensorFileReader> open_torch_bin(const std::filesystem::path& path);

/// A new file that `torch.load(weights_only=True)` reads: a plain dict in the order given, one
/// storage a tensor, records aligned to 64 bytes as PyTorch aligns them, zip64 where numbers need
/// it. Its space is reserved at once. The same tensors give the same bytes wherever the file lies:
/// the CRC-32 that the zip format wants is joined from the pieces as they come, in whatever order.
std::unique_ptr<TensorFileWriter> create_torch_bin(const std::filesystem::path& path,
                                                   std::vector<TensorInfo> tensors);

}  // namespace fg::store
