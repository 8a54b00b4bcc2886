#include <algorithm>
#include <set>

#include <fg/base/error.hpp>
#include <fg/store/slices.hpp>

#include "tensor_list.hpp"

namespace fg::store {
namespace {

constexpr const char* table_key = "slices";

std::string rows_of(std::uint64_t first, std::uint64_t rows) {
  return "rows " + std::to_string(first) + " to " + std::to_string(first + rows);
}

void check_cover(const SlicedTensor& tensor, const std::string& begin, ExitCode code) {
  const std::uint64_t total = row_count(tensor.info.shape);
  std::uint64_t next = 0;
  std::set<std::string_view> files;
  for (const Slice& slice : tensor.slices) {
    if (slice.rows > total || slice.first_row > total - slice.rows)
      fail(code, begin + "a slice leaves its " + std::to_string(total) + " rows");
    if (slice.first_row < next || (slice.rows == 0 && total != 0))
      fail(code, begin + rows_of(slice.first_row, slice.rows) + " are there twice, or empty");
    if (slice.first_row > next)
      fail(code, begin + rows_of(next, slice.first_row - next) + " are missing");
    if (!files.insert(slice.file).second)
      fail(code, begin + "two slices are in " + shown(slice.file));
    next = slice.first_row + slice.rows;
  }
  if (tensor.slices.empty() || next != total)
    fail(code, begin + rows_of(next, total - next) + " are missing");
}

Json json_of(const SlicedTensor& tensor) {
  Json slices = Json::array();
  for (const Slice& slice : tensor.slices)
    slices.push_back({{"first_row", slice.first_row}, {"rows", slice.rows}, {"file", slice.file}});
  return {{"name", tensor.info.name},
          {"dtype", name_of(tensor.info.dtype)},
          {"shape", tensor.info.shape},
          {"slices", std::move(slices)}};
}

/// Reads the table's JSON; whatever is not as `json_of` writes it ends with one message.
struct Parser {
  const std::string& name;

  [[noreturn]] void refuse(const std::string& why) const {
    fail(ExitCode::cannot_load, name + ": the slice table " + why);
  }
  const Json& member(const Json& object, const char* key) const {
    if (!object.is_object()) refuse("holds something that is no object");
    const auto found = object.find(key);
    if (found == object.end()) refuse(std::string("lacks ") + key);
    return *found;
  }
  const Json& array(const Json& object, const char* key) const {
    const Json& value = member(object, key);
    if (!value.is_array()) refuse(std::string(key) + " is no array");
    return value;
  }
  std::string text(const Json& object, const char* key) const {
    const Json& value = member(object, key);
    if (!value.is_string()) refuse(std::string(key) + " is no text");
    return value.get<std::string>();
  }
  std::uint64_t number(const Json& value) const {
    if (!value.is_number_unsigned()) refuse("holds " + value.dump() + " for a number");
    return value.get<std::uint64_t>();
  }
  SlicedTensor tensor(const Json& value) const {
    SlicedTensor tensor;
    tensor.info.name = text(value, "name");
    const std::optional<Dtype> dtype = parse_dtype(text(value, "dtype"));
    if (!dtype) refuse("gives " + shown(tensor.info.name) + " an unknown dtype");
    tensor.info.dtype = *dtype;
    for (const Json& size : array(value, "shape")) tensor.info.shape.push_back(number(size));
    for (const Json& slice : array(value, "slices"))
      tensor.slices.push_back(
          {number(member(slice, "first_row")), number(member(slice, "rows")), text(slice, "file")});
    return tensor;
  }
};

}  // namespace

std::string_view name_of(TensorUse use) {
  return use == TensorUse::weights ? "weights" : "optimizer";
}

std::uint64_t row_count(std::span<const std::uint64_t> shape) {
  return shape.empty() ? 1 : shape.front();
}

std::vector<std::uint64_t> with_rows(std::vector<std::uint64_t> shape, std::uint64_t rows) {
  if (!shape.empty()) shape.front() = rows;
  return shape;
}

void check_slices(SliceTable& table, const std::string& name, ExitCode code) {
  for (const TensorUse use : {TensorUse::weights, TensorUse::optimizer}) {
    std::vector<TensorInfo> tensors;
    for (SlicedTensor& tensor : table.of(use)) {
      std::ranges::stable_sort(tensor.slices, {}, &Slice::first_row);
      tensors.push_back(tensor.info);
    }
    const std::string begin = name + ": " + std::string(name_of(use));
    check_tensors(tensors, begin, code);
    for (const SlicedTensor& tensor : table.of(use))
      check_cover(tensor, begin + ": tensor " + shown(tensor.info.name) + ": ", code);
  }
}

void put_slices(const SliceTable& table, Manifest& manifest) {
  Json& slices = manifest.more[table_key];
  for (const TensorUse use : {TensorUse::weights, TensorUse::optimizer}) {
    Json& tensors = slices[std::string(name_of(use))] = Json::array();
    for (const SlicedTensor& tensor : table.of(use)) tensors.push_back(json_of(tensor));
  }
}

bool has_slices(const Manifest& manifest) {
  return manifest.more.contains(table_key);
}

SliceTable slices_of(const Manifest& manifest, const std::string& name) {
  const Parser parser{name};
  SliceTable table;
  if (!has_slices(manifest)) fail(ExitCode::cannot_load, name + ": is not that of a checkpoint");
  for (const TensorUse use : {TensorUse::weights, TensorUse::optimizer}) {
    const std::string key(name_of(use));
    for (const Json& value : parser.array(manifest.more.at(table_key), key.c_str()))
      table.of(use).push_back(parser.tensor(value));
  }
  check_slices(table, name, ExitCode::cannot_load);
  return table;
}

}  // namespace fg::store
