#include <array>
#include <limits>

#include <fg/base/error.hpp>
#include <fg/store/tensor_file.hpp>

namespace fg::store {
namespace {

struct DtypeRow {
  Dtype dtype;
  std::uint64_t size;
  std::string_view name;
};

constexpr std::array rows = {
    DtypeRow{Dtype::boolean, 1, "bool"},    DtypeRow{Dtype::uint8, 1, "uint8"},
    DtypeRow{Dtype::int8, 1, "int8"},       DtypeRow{Dtype::int16, 2, "int16"},
    DtypeRow{Dtype::int32, 4, "int32"},     DtypeRow{Dtype::int64, 8, "int64"},
    DtypeRow{Dtype::float16, 2, "float16"}, DtypeRow{Dtype::bfloat16, 2, "bfloat16"},
    DtypeRow{Dtype::float32, 4, "float32"}, DtypeRow{Dtype::float64, 8, "float64"},
};

const DtypeRow& row_of(Dtype dtype) {
  const DtypeRow& row = rows.at(static_cast<std::size_t>(dtype));
  FG_CHECK(row.dtype == dtype);
  return row;
}

}  // namespace

std::uint64_t size_of(Dtype dtype) {
  return row_of(dtype).size;
}

std::string_view name_of(Dtype dtype) {
  return row_of(dtype).name;
}

std::optional<Dtype> parse_dtype(std::string_view name) {
  for (const DtypeRow& row : rows)
    if (row.name == name) return row.dtype;
  return std::nullopt;
}

bool is_floating(Dtype dtype) {
  return dtype == Dtype::float16 || dtype == Dtype::bfloat16 || dtype == Dtype::float32 ||
         dtype == Dtype::float64;
}

std::optional<std::uint64_t> element_count(std::span<const std::uint64_t> shape) {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  std::uint64_t count = 1;
  bool empty = false;
  for (const std::uint64_t size : shape) {
    if (size > most) return std::nullopt;
    if (size == 0) {
      empty = true;
      continue;
    }
    if (count > most / size) return std::nullopt;
    count *= size;
  }
  return empty ? 0 : count;
}

std::uint64_t byte_count(const TensorInfo& info) {
  const std::optional<std::uint64_t> count = element_count(info.shape);
  FG_CHECK(count.has_value());
  return *count * size_of(info.dtype);
}

}  // namespace fg::store
