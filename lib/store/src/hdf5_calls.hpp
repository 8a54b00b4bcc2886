#pragma once

#include <mutex>
#include <string>
#include <utility>

#include <hdf5.h>

#include <fg/base/error.hpp>
#include <fg/base/owned.hpp>
#include <fg/store/tensor_file.hpp>

namespace fg::store {

inline void release_h5(hid_t id) {
  H5Idec_ref(id);
}
/// Any HDF5 identifier: files, datasets, types, property lists.
using H5Id = Owned<hid_t, release_h5, H5I_INVALID_HID>;

/// HDF5 made ready: nothing printed, no filter plug-ins, and no other thread of ours inside. Hold
/// one around every HDF5 call.
class H5Session {
public:
  H5Session();

private:
  std::lock_guard<std::mutex> lock_;
};

/// Throws Error(code) "path: cannot <doing>: HDF5 says ..." with the innermost line of HDF5's error
/// stack.
[[noreturn]] void fail_h5(ExitCode code, const std::string& path, const char* doing);

/// The one way HDF5 is called: `h5_check(H5Fflush(...), "flush")`. A negative result is an error.
struct H5Check {
  ExitCode code;
  std::string path;

  template <typename Result>
  Result operator()(Result result, const char* doing) const {
    if (result < 0) fail_h5(code, path, doing);
    return result;
  }
  /// For calls that make an identifier.
  H5Id id(hid_t made, const char* doing) const { return H5Id((*this)(made, doing)); }
};

/// The type of the file for this dtype, little-endian.
H5Id make_h5_type(Dtype dtype, const H5Check& h5_check);
/// "16-bit big-endian float", for messages.
std::string describe_h5_type(hid_t type);
/// Why this cannot be a tensor's name in the root group, beyond the rules of check_tensors, or "".
std::string name_fault(const std::string& name);

/// What every HDF5 file begins with.
inline constexpr std::string_view h5_signature("\x89HDF\r\n\x1a\n", 8);

}  // namespace fg::store
