#include <fg/store/libraries.hpp>

#include "hdf5_calls.hpp"

namespace fg::store {

std::string hdf5_library() {
  const H5Session session;
  unsigned major = 0, minor = 0, release = 0;
  if (H5get_libversion(&major, &minor, &release) < 0) return "HDF5";
  return "HDF5 " + std::to_string(major) + "." + std::to_string(minor) + "." +
         std::to_string(release);
}

}  // namespace fg::store
