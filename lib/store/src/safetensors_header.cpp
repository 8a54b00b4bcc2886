#include "safetensors_header.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <set>

#include <fg/base/failpoint.hpp>
#include <fg/base/utf8.hpp>

#include "bounded_json.hpp"
#include "little_endian.hpp"
#include "tensor_list.hpp"

namespace fg::store {
namespace {

struct DtypeName {
  std::string_view name;
  Dtype dtype;
};

/// In the reference package's own order of types, by which it sorts the tensors of a file.
constexpr std::array dtype_names = {
    DtypeName{"BOOL", Dtype::boolean}, DtypeName{"U8", Dtype::uint8},
    DtypeName{"I8", Dtype::int8},      DtypeName{"I16", Dtype::int16},
    DtypeName{"F16", Dtype::float16},  DtypeName{"BF16", Dtype::bfloat16},
    DtypeName{"I32", Dtype::int32},    DtypeName{"F32", Dtype::float32},
    DtypeName{"F64", Dtype::float64},  DtypeName{"I64", Dtype::int64},
};

std::size_t rank_of(Dtype dtype) {
  const auto row = std::ranges::find(dtype_names, dtype, &DtypeName::dtype);
  return static_cast<std::size_t>(row - dtype_names.begin());
}

struct Entry {
  TensorInfo info;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// {"__metadata__": {text: text}, NAME: {"dtype": text, "shape": [n...], "data_offsets": [n, n]}}
class HeaderEvents final : public StrictSax {
public:
  bool start_object(std::size_t) override {
    if (depth_ == 0) return ++depth_ > 0;
    if (depth_ != 1) return refuse("an object is not allowed " + place());
    ++depth_;
    if (!in_metadata_) {
      entries_.emplace_back().info.name = name_;
      seen_ = {};
    }
    return true;
  }
  bool end_object() override {
    if (--depth_ == 0) return true;
    if (in_metadata_) {
      in_metadata_ = false;
      return true;
    }
    if (seen_[0] && seen_[1] && seen_[2] && offsets_ == 2) return true;
    return refuse("tensor " + shown(name_) + " lacks dtype, shape or two data_offsets");
  }
  bool key(string_t& key) override { return depth_ == 1 ? outer_key(key) : inner_key(key); }
  bool string(string_t& text) override {
    if (depth_ == 2 && in_metadata_) return true;
    if (depth_ != 2 || field_ != 0) return refuse("a string is not allowed " + place());
    const auto row = std::ranges::find(dtype_names, std::string_view(text), &DtypeName::name);
    if (row == dtype_names.end())
      return refuse("tensor " + shown(name_) + " has dtype " + shown(text) +
                    ", which is not supported (BOOL, U8, I8, I16, I32, I64, F16, BF16, F32, F64)");
    entries_.back().info.dtype = row->dtype;
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || field_ == 0 || in_array_)
      return refuse("an array is not allowed " + place());
    in_array_ = true;
    return true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }
  bool number_unsigned(number_unsigned_t number) override {
    if (!in_array_) return refuse("a number is not allowed " + place());
    return field_ == 1 ? add_size(number) : add_offset(number);
  }

  std::vector<Entry>& entries() { return entries_; }

private:
  std::string place() const override {
    if (depth_ == 0) return "in place of the header's object";
    return in_metadata_ ? "in __metadata__" : "for tensor " + shown(name_);
  }
  bool outer_key(const std::string& key) {
    if (key == "__metadata__") {
      if (metadata_seen_) return refuse("__metadata__ appears twice");
      return metadata_seen_ = in_metadata_ = true;
    }
    if (key.size() > max_name_bytes)
      return refuse("tensor " + shown(key) + ": its name is longer than 1024 bytes");
    if (entries_.size() == max_tensors)
      return refuse("more than " + std::to_string(max_tensors) + " tensors");
    name_ = key;
    offsets_ = 0;
    return true;
  }
  bool inner_key(const std::string& key) {
    if (in_metadata_) {
      if (metadata_keys_.size() == max_tensors) return refuse("__metadata__ has too many keys");
      if (metadata_keys_.insert(key).second) return true;
      return refuse("__metadata__ has the key " + shown(key) + " twice");
    }
    constexpr std::array<std::string_view, 3> fields = {"dtype", "shape", "data_offsets"};
    field_ = static_cast<std::size_t>(std::ranges::find(fields, key) - fields.begin());
    if (field_ == fields.size())
      return refuse("tensor " + shown(name_) + " has the unknown key " + shown(key));
    if (seen_[field_]) return refuse("tensor " + shown(name_) + " has " + key + " twice");
    return seen_[field_] = true;
  }
  bool add_size(std::uint64_t size) {
    std::vector<std::uint64_t>& shape = entries_.back().info.shape;
    if (shape.size() == max_dimensions)
      return refuse("tensor " + shown(name_) + " has more than 8 dimensions");
    shape.push_back(size);
    return true;
  }
  bool add_offset(std::uint64_t offset) {
    if (offsets_ == 2) return refuse("tensor " + shown(name_) + " has more than two data_offsets");
    (offsets_ == 0 ? entries_.back().begin : entries_.back().end) = offset;
    return ++offsets_ > 0;
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  bool metadata_seen_ = false;
  bool in_array_ = false;
  std::size_t field_ = 0;
  std::array<bool, 3> seen_ = {};
  int offsets_ = 0;
  std::string name_;
  std::set<std::string> metadata_keys_;
  std::vector<Entry> entries_;
};

[[noreturn]] void refuse_file(const std::string& name, const std::string& rule) {
  fail(ExitCode::cannot_load, name + ": not a valid safetensors file: " + rule);
}

std::string_view header_text(std::span<const std::byte> file, const std::string& name) {
  if (file.size() < 8)
    refuse_file(name, "it has " + std::to_string(file.size()) +
                          " bytes, fewer than the 8 of the header's length");
  const auto length = load<std::uint64_t>(file, 0);
  if (length > max_safetensors_header)
    refuse_file(name,
                "its header claims " + std::to_string(length) + " bytes, more than 100000000");
  if (length > file.size() - 8)
    refuse_file(name, "its header claims " + std::to_string(length) +
                          " bytes, more than the file's " + std::to_string(file.size()) +
                          "; is the download complete?");
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + 8, length);
  if (text.empty() || text.front() != '{') refuse_file(name, "its header does not begin with '{'");
  return text;
}

void check_entry(const Entry& entry, std::uint64_t expected_begin, std::uint64_t data_size,
                 const std::string& name) {
  const std::string tensor = "tensor " + shown(entry.info.name);
  if (entry.end < entry.begin) refuse_file(name, tensor + " ends before it begins");
  if (entry.end > data_size)
    refuse_file(name,
                tensor + " reaches past the end of the file: the file is cut short or damaged");
  static const bool holes_pass = fault_planted("store.safetensors_hole");
  if (entry.begin < expected_begin) refuse_file(name, tensor + " overlaps the tensor before it");
  if (entry.begin > expected_begin && !holes_pass)
    refuse_file(name, "there is a hole before " + tensor);
  const auto bytes = checked_byte_count(entry.info.dtype, entry.info.shape);
  if (!bytes) refuse_file(name, "the size of " + tensor + "'s shape overflows");
  if (*bytes != entry.end - entry.begin)
    refuse_file(name, tensor + " has " + std::to_string(entry.end - entry.begin) +
                          " bytes, but its shape and dtype need " + std::to_string(*bytes));
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& name) {
  const std::string_view text = header_text(file, name);
  HeaderEvents events;
  parse_bounded(text, events, name + ": not a valid safetensors header");
  std::vector<Entry>& entries = events.entries();
  std::ranges::sort(entries, [](const Entry& left, const Entry& right) {
    return std::tie(left.begin, left.end) < std::tie(right.begin, right.end);
  });
  const std::uint64_t data_begin = 8 + text.size();
  const std::uint64_t data_size = file.size() - data_begin;
  SafetensorsHeader header;
  std::uint64_t position = 0;
  for (Entry& entry : entries) {
    check_entry(entry, position, data_size, name);
    position = entry.end;
    header.offsets.push_back(data_begin + entry.begin);
    header.tensors.push_back(std::move(entry.info));
  }
  if (position != data_size)
    refuse_file(name, std::to_string(data_size - position) + " bytes lie behind the last tensor");
  check_tensors(header.tensors, name, ExitCode::cannot_load);
  return header;
}

SafetensorsLayout lay_out_safetensors(std::span<const TensorInfo> tensors,
                                      const std::map<std::string, std::string>& metadata) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t left, std::size_t right) {
    const std::size_t left_rank = rank_of(tensors[left].dtype);
    const std::size_t right_rank = rank_of(tensors[right].dtype);
    return left_rank != right_rank ? left_rank > right_rank
                                   : tensors[left].name < tensors[right].name;
  });
  SafetensorsLayout layout;
  layout.offsets.resize(tensors.size());
  std::string text = "{\"__metadata__\":" + Json(metadata).dump();
  std::uint64_t position = 0;
  for (const std::size_t index : order) {
    const TensorInfo& tensor = tensors[index];
    layout.offsets[index] = position;
    const std::uint64_t end = position + byte_count(tensor);
    text += ',' + Json(tensor.name).dump() + ":{\"dtype\":\"";
    text += dtype_names[rank_of(tensor.dtype)].name;
    text += "\",\"shape\":" + Json(tensor.shape).dump() + ",\"data_offsets\":[" +
            std::to_string(position) + ',' + std::to_string(end) + "]}";
    position = end;
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  append_number(layout.header, static_cast<std::uint64_t>(text.size()));
  layout.header += text;
  for (std::uint64_t& offset : layout.offsets) offset += layout.header.size();
  layout.size = layout.header.size() + position;
  return layout;
}

}  // namespace fg::store
