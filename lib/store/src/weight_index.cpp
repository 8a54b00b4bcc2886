#include "weight_index.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fg/base/error.hpp>

#include "bounded_json.hpp"
#include "tensor_list.hpp"

namespace fg::store {
namespace {

constexpr std::size_t max_entries = 250'000;
constexpr std::size_t max_files = 100'000;
constexpr int max_depth = 64;

/// {"metadata": {"total_size": n, ...}, "weight_map": {tensor: file}, ...}
class IndexEvents final : public StrictSax {
public:
  explicit IndexEvents(std::string_view suffix) : suffix_(suffix) {}

  bool null() override { return other_value(); }
  bool boolean(bool) override { return other_value(); }
  bool number_integer(number_integer_t number) override {
    return is_total() ? refuse("total_size is negative: " + std::to_string(number)) : other_value();
  }
  bool number_unsigned(number_unsigned_t number) override {
    if (!is_total()) return other_value();
    index_.total_size = number;
    return true;
  }
  bool number_float(number_float_t number, const string_t&) override {
    if (!is_total()) return other_value();
    // Some versions of transformers wrote 1.0e10.
    if (!(number >= 0 && number < 0x1p53) || std::floor(number) != number)
      return refuse("total_size is not a whole number");
    index_.total_size = static_cast<std::uint64_t>(number);
    return true;
  }
  bool string(string_t& text) override { return in_map() ? add(text) : other_value(); }
  bool start_object(std::size_t) override {
    if (in_map()) return refuse("weight_map holds an object");
    if (depth_ == 1 && key_ == "weight_map") map_seen_ = true;
    return enter();
  }
  bool key(string_t& key) override {
    if (depth_ > 2 || (depth_ == 2 && section_ == Section::other)) return true;
    if (depth_ == 1) {
      section_ = key == "weight_map" ? Section::map
                 : key == "metadata" ? Section::metadata
                                     : Section::other;
      if (section_ != Section::other && ++sections_seen_[key] == 2)
        return refuse("key " + shown(key) + " appears twice");
    }
    if (key.size() > max_name_bytes) return refuse("a name is longer than 1024 bytes");
    key_ = key;
    return true;
  }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override {
    return depth_ == 0 || in_map() ? refuse("an array is not allowed " + place()) : enter();
  }
  bool end_array() override { return leave(); }

  WeightIndex take() {
    // Files were numbered as they came; sort them and renumber.
    std::vector<std::size_t> places(files_.size());
    for (const auto& [file, number] : files_) {
      places[number] = index_.files.size();
      index_.files.push_back(file);
    }
    for (WeightIndex::Entry& entry : index_.entries) entry.file = places[entry.file];
    std::ranges::sort(index_.entries, {}, &WeightIndex::Entry::tensor);
    return std::move(index_);
  }
  bool map_seen() const { return map_seen_; }

private:
  enum class Section { other, metadata, map };

  std::string place() const override { return depth_ == 0 ? "as an index" : "in weight_map"; }
  bool in_map() const { return depth_ == 2 && section_ == Section::map; }
  bool is_total() const {
    return depth_ == 2 && section_ == Section::metadata && key_ == "total_size";
  }
  bool other_value() {
    if (depth_ == 0 || in_map()) return refuse("only file names are allowed " + place());
    if (depth_ == 1 && section_ == Section::map) return refuse("weight_map is not an object");
    return true;
  }
  bool enter() {
    if (++depth_ > max_depth) return refuse("nested deeper than 64 levels");
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }
  bool add(const std::string& file) {
    const bool plain = !file.empty() && file.size() <= 255 && file != "." && file != ".." &&
                       file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
    if (!plain)
      return refuse("weight_map names " + shown(file) +
                    ", which is not a plain file name of the same folder");
    if (!file.ends_with(suffix_))
      return refuse("weight_map names " + shown(file) + ", which does not end with " +
                    std::string(suffix_));
    if (index_.entries.size() == max_entries) return refuse("it names more than 250000 tensors");
    const auto [known, is_new] = files_.emplace(file, files_.size());
    if (is_new && files_.size() > max_files) return refuse("it names more than 100000 files");
    index_.entries.push_back({key_, known->second});
    return true;
  }

  std::string_view suffix_;
  int depth_ = 0;
  Section section_ = Section::other;
  std::map<std::string, int> sections_seen_;
  bool map_seen_ = false;
  std::string key_;
  std::map<std::string, std::size_t> files_;
  WeightIndex index_;
};

}  // namespace

WeightIndex parse_weight_index(std::string_view text, std::string_view suffix,
                               const std::string& name) {
  IndexEvents events(suffix);
  parse_bounded(text, events, name);
  if (!events.map_seen()) fail(ExitCode::cannot_load, name + ": it has no weight_map");
  WeightIndex index = events.take();
  const auto twice = std::ranges::adjacent_find(index.entries, {}, &WeightIndex::Entry::tensor);
  if (twice != index.entries.end())
    fail(ExitCode::cannot_load, name + ": tensor " + shown(twice->tensor) + " appears twice");
  return index;
}

}  // namespace fg::store
