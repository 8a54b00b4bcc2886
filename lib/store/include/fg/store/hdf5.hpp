#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include <fg/store/tensor_file.hpp>

namespace fg::store {

/// The HDF5 library is serial and not thread-safe. The two functions below make all their HDF5
/// calls before they return, under one lock of this library: they may be called from any thread as
/// long as nobody else in the process uses HDF5 at that moment. Reading and writing tensors needs
/// no HDF5 call: the bytes go from and to each dataset's place in the file, never through HDF5's
/// type conversion.

/// Opens a file of contiguous datasets in the root group, as `create_hdf5` and h5py write it. In
/// the order of creation where the file keeps it, else by name. Refused by name: groups, links that
/// are not hard, chunked, compact, virtual or external storage, filters, other types or byte
/// orders, more than 8 dimensions, data outside the file or shared. Attributes are not looked at.
/// No plug-in is loaded. HDF5 does not survive malice and sees no flipped byte: call
/// `require_listed` (fg/store/manifest.hpp) on the file first.
std::unique_ptr<TensorFileReader> open_hdf5(const std::filesystem::path& path);

/// Makes a new file with one contiguous dataset a tensor, under its own name in the root group.
/// bfloat16 is a 16-bit HDF5 float (1, 8, 7 bits, bias 127), boolean h5py's enum of FALSE and TRUE.
/// The space is taken before this returns. Each byte is to be written exactly once; until `finish`
/// the file has no HDF5 signature, so that no reader opens it. Names with '/' are refused.
std::unique_ptr<TensorFileWriter> create_hdf5(const std::filesystem::path& path,
                                              std::vector<TensorInfo> tensors);

}  // namespace fg::store
