#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <fg/base/error.hpp>
#include <fg/base/owned.hpp>
#include <fg/store/hash.hpp>

namespace fg::store {
namespace {

void free_state(XXH3_state_t* state) {
  XXH3_freeState(state);
}
void close_descriptor(int descriptor) {
  ::close(descriptor);
}
using Descriptor = Owned<int, close_descriptor, -1>;

/// The one way XXH3 is called: its only errors are a missing state and no memory.
void xxh_check(bool good) {
  if (!good) fail(ExitCode::bug, "XXH3 refused a call");
}

constexpr std::size_t piece = 1 << 20;

struct OpenFile {
  Descriptor descriptor;
  std::uint64_t size = 0;
};

OpenFile open_regular(const std::filesystem::path& path, ExitCode code) {
  const auto refuse = [&](const std::string& why) { fail(code, path.string() + ": " + why); };
  OpenFile file{Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK))};
  if (file.descriptor.empty()) refuse("cannot open: " + errno_text(errno));
  struct stat status {};
  if (::fstat(file.descriptor.get(), &status) != 0) refuse("cannot stat: " + errno_text(errno));
  if (!S_ISREG(status.st_mode)) refuse("not a regular file");
  file.size = static_cast<std::uint64_t>(status.st_size);
  return file;
}

}  // namespace

struct Hasher::State {
  Owned<XXH3_state_t*, free_state, nullptr> xxh{XXH3_createState()};
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  xxh_check(!state_->xxh.empty() && XXH3_128bits_reset(state_->xxh.get()) == XXH_OK);
}
Hasher::Hasher(Hasher&& other) noexcept = default;
Hasher& Hasher::operator=(Hasher&& other) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  xxh_check(XXH3_128bits_update(state_->xxh.get(), bytes.data(), bytes.size()) == XXH_OK);
  size_ += bytes.size();
}

void Hasher::update(std::string_view text) {
  update(std::as_bytes(std::span(text)));
}

std::string Hasher::hex() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->xxh.get()));
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : canonical.digest) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string hash_text(std::string_view text) {
  Hasher hasher;
  hasher.update(text);
  return hasher.hex();
}

FileRecord record_of_file(const std::filesystem::path& path, ExitCode code) {
  const auto refuse = [&](const std::string& why) { fail(code, path.string() + ": " + why); };
  const OpenFile file = open_regular(path, code);
  const Descriptor& descriptor = file.descriptor;
  Hasher hasher;
  // A small file needs no buffer of a full piece.
  const std::uint64_t expected = file.size + 1;
  for (std::vector<std::byte> buffer(std::min<std::uint64_t>(piece, expected));;) {
    const ssize_t count = ::read(descriptor.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) refuse("cannot read: " + errno_text(errno));
    if (count == 0) return {hasher.size(), hasher.hex()};
    hasher.update(std::span(buffer).first(static_cast<std::size_t>(count)));
  }
}

std::string sample_of_file(const std::filesystem::path& path) {
  constexpr std::uint64_t pages = 64, page = 4096;
  const OpenFile file = open_regular(path, ExitCode::cannot_load);
  Hasher hasher;
  hasher.update(std::to_string(file.size));
  std::array<std::byte, page> buffer;
  const std::uint64_t last = file.size > page ? file.size - page : 0;
  for (std::uint64_t index = 0; index < pages; ++index) {
    const auto offset = static_cast<off_t>(last * index / (pages - 1));
    const ssize_t count = ::pread(file.descriptor.get(), buffer.data(), buffer.size(), offset);
    if (count < 0)
      fail(ExitCode::cannot_load, path.string() + ": cannot read: " + errno_text(errno));
    hasher.update(std::span(buffer).first(static_cast<std::size_t>(count)));
  }
  return hasher.hex();
}

}  // namespace fg::store
