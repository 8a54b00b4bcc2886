#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/store/torch_bin.hpp>

// The whole reader over a file in memory: whatever opens must also read, every byte of it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int descriptor = ::memfd_create("input", MFD_CLOEXEC);
  if (descriptor < 0 || ::write(descriptor, data, size) != static_cast<ssize_t>(size)) return -1;
  try {
    const auto reader = fg::store::open_torch_bin("/proc/self/fd/" + std::to_string(descriptor));
    std::vector<std::byte> buffer(1 << 16);
    for (std::size_t index = 0; index < reader->tensors().size(); ++index) {
      const std::uint64_t bytes = fg::store::byte_count(reader->tensors()[index]);
      for (std::uint64_t offset = 0; offset < std::min<std::uint64_t>(bytes, 1 << 20);
           offset += buffer.size())
        reader->read(
            index, offset,
            std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), bytes - offset)));
    }
  } catch (const fg::Error&) {
  }
  ::close(descriptor);
  return 0;
}
