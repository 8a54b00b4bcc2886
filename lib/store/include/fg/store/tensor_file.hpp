#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fg::store {

enum class Dtype : std::uint8_t {
  boolean,
  uint8,
  int8,
  int16,
  int32,
  int64,
  float16,
  bfloat16,
  float32,
  float64
};

/// Bytes of one element.
std::uint64_t size_of(Dtype dtype);
/// "bfloat16", as in a Hugging Face config.json.
std::string_view name_of(Dtype dtype);
std::optional<Dtype> parse_dtype(std::string_view name);
bool is_floating(Dtype dtype);

/// A tensor as a file describes it: row-major, contiguous, little-endian.
struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::float32;
  std::vector<std::uint64_t> shape;

  friend bool operator==(const TensorInfo&, const TensorInfo&) = default;
};

/// The product of the shape (1 for a scalar), or nothing where it does not fit 63 bits.
std::optional<std::uint64_t> element_count(std::span<const std::uint64_t> shape);
/// Bytes of the whole tensor. `info` has been checked by whoever made it: no overflow.
std::uint64_t byte_count(const TensorInfo& info);

/// One open weight file of any format. Opening checked everything the file says of itself; reading
/// copies bytes as they lie in the file and never holds a whole tensor. Not thread-safe.
/// Errors are Error(cannot_load) that name the file and the rule broken.
class TensorFileReader {
public:
  virtual ~TensorFileReader() = default;

  /// In the file's own order.
  virtual std::span<const TensorInfo> tensors() const = 0;
  /// Copies bytes [offset, offset + out.size()) of the tensor with this index in `tensors()`.
  virtual void read(std::size_t index, std::uint64_t offset, std::span<std::byte> out) = 0;
};

/// One new weight file of any format. The tensors are given when it is made; their bytes may then
/// come in any order and in pieces. The same tensors and bytes give the same file. `finish` writes
/// what is left, syncs and closes; a file that was not finished is not valid. Errors are
/// Error(cannot_save) with the path.
class TensorFileWriter {
public:
  virtual ~TensorFileWriter() = default;

  virtual std::span<const TensorInfo> tensors() const = 0;
  virtual void write(std::size_t index, std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  virtual void finish() = 0;
};

}  // namespace fg::store
