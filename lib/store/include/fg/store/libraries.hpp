#pragma once

#include <string>

namespace fg::store {

/// "HDF5 1.10.8": what this library is linked with, for --version.
std::string hdf5_library();

}  // namespace fg::store
