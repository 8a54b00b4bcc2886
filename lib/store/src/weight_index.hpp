#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fg::store {

inline constexpr std::uint64_t max_index_bytes = std::uint64_t{32} << 20;

/// A `*.index.json`: which file holds which tensor.
struct WeightIndex {
  struct Entry {
    std::string tensor;
    std::size_t file;  // index into `files`
  };
  std::vector<Entry> entries;      // sorted by tensor
  std::vector<std::string> files;  // sorted
  std::optional<std::uint64_t> total_size;
};

/// Checks the form: each tensor once, at most 250,000 of them; each file a plain name that ends
/// with `suffix`. What else the file says is passed over. Error(cannot_load) that begins with
/// `name`.
WeightIndex parse_weight_index(std::string_view text, std::string_view suffix,
                               const std::string& name);

}  // namespace fg::store
