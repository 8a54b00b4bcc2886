#include "tokenizer/tokenizer_file.hpp"

#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

#include <fg/base/error.hpp>

namespace fg::text::tok {
namespace {

constexpr std::size_t max_depth = 64;
constexpr std::size_t max_values = 1'000'000;  // outside the two tables
constexpr std::size_t max_piece_bytes = 64 * 1024;

using Sax = nlohmann::json_sax<Json>;

/// Builds the document and the tables in one pass over the file.
class FileReader final : public Sax {
public:
  std::string message;
  TokenizerFile file;
  std::vector<std::pair<std::string, std::string>> merges;

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_float(number_float_t value, const string_t&) override { return scalar(value); }
  bool binary(binary_t&) override { return false; }

  bool number_unsigned(number_unsigned_t value) override {
    if (table_ != Table::vocabulary || tables_depth_ != 1) return scalar(value);
    if (value > std::numeric_limits<TokenId>::max())
      return stop("model.vocab: id " + std::to_string(value) + " of '" + key_ + "' is too large");
    if (key_.size() > max_piece_bytes)
      return stop("model.vocab: a piece of " + std::to_string(key_.size()) + " bytes is too long");
    file.vocabulary.add(key_, static_cast<TokenId>(value));
    return true;
  }

  bool string(string_t& value) override {
    if (table_ == Table::merges && tables_depth_ == 1) return add_spelled_merge(value);
    if (table_ == Table::merges && tables_depth_ == 2) {
      pair_.push_back(std::move(value));
      return pair_.size() <= 2 || stop(merge_place() + "more than two pieces");
    }
    return scalar(std::move(value));
  }

  bool start_object(std::size_t) override {
    if (table_ == Table::none && is_table("vocab")) return enter_table(Table::vocabulary);
    return table_ == Table::none ? enter(Json::object()) : enter_in_table(false);
  }
  bool start_array(std::size_t) override {
    if (table_ == Table::none && is_table("merges")) return enter_table(Table::merges);
    if (table_ == Table::none && is_table("vocab")) return enter_table(Table::ignored);
    return table_ == Table::none ? enter(Json::array()) : enter_in_table(true);
  }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    if (table_ != Table::none) {
      key_ = std::move(name);
      return true;
    }
    if (!keys_.back().insert(name).second)
      return stop("key '" + name + "' appears twice in one object");
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    const std::string text = error.what();
    const std::size_t bracket = text.find("] ");
    return stop(bracket == std::string::npos ? text : text.substr(bracket + 2));
  }

private:
  enum class Table { none, vocabulary, merges, ignored };

  bool stop(std::string text) {
    message = std::move(text);
    return false;
  }
  bool is_table(std::string_view name) const {
    return stack_.size() == 2 && in_model_ && key_ == name;
  }
  std::string merge_place() const {
    return "model.merges[" + std::to_string(merges.size()) + "]: ";
  }

  bool enter_table(Table table) {
    if (!keys_.back().insert("(" + key_ + ")").second)
      return stop("model." + key_ + " comes twice");
    table_ = table;
    tables_depth_ = 1;
    if (table == Table::vocabulary) file.has_vocabulary = true;
    if (table == Table::merges) file.has_merges = true;
    return true;
  }

  bool enter_in_table(bool is_array) {
    ++tables_depth_;
    if (tables_depth_ + stack_.size() > max_depth) return stop("nested deeper than 64 levels");
    if (table_ == Table::ignored) return true;
    if (table_ == Table::vocabulary) return stop("model.vocab: '" + key_ + "' has no integer id");
    if (!is_array || tables_depth_ > 2) return stop(merge_place() + "expected two strings");
    pair_.clear();
    return true;
  }

  bool leave() {
    if (table_ == Table::none) {
      if (stack_.size() == 2) in_model_ = false;
      stack_.pop_back();
      keys_.pop_back();
      return true;
    }
    if (table_ == Table::merges && tables_depth_ == 2) {
      if (pair_.size() != 2) return stop(merge_place() + "expected two strings");
      merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
    }
    if (--tables_depth_ == 0) table_ = Table::none;
    return true;
  }

  /// The older spelling "left right".
  bool add_spelled_merge(const std::string& line) {
    if (line.starts_with("#version")) return true;
    const std::size_t blank = line.find(' ');
    if (blank == std::string::npos || line.find(' ', blank + 1) != std::string::npos)
      return stop(merge_place() + "expected two pieces with one blank between, found '" + line +
                  "'");
    merges.emplace_back(line.substr(0, blank), line.substr(blank + 1));
    return true;
  }

  template <typename Value>
  bool scalar(Value&& value) {
    if (table_ == Table::vocabulary) return stop("model.vocab: '" + key_ + "' has no integer id");
    if (table_ == Table::merges) return stop(merge_place() + "expected two strings");
    if (table_ == Table::ignored) return true;
    return place(Json(std::forward<Value>(value))) != nullptr;
  }

  bool enter(Json container) {
    if (stack_.size() == max_depth) return stop("nested deeper than 64 levels");
    if (stack_.size() == 1 && container.is_object()) in_model_ = key_ == "model";
    Json* placed = place(std::move(container));
    if (placed == nullptr) return false;
    stack_.push_back(placed);
    keys_.emplace_back();
    return true;
  }

  Json* place(Json value) {
    if (++values_ > max_values) {
      stop("more than 1000000 values");
      return nullptr;
    }
    if (stack_.empty()) return &(file.document = std::move(value));
    if (stack_.back()->is_array()) {
      stack_.back()->push_back(std::move(value));
      return &stack_.back()->back();
    }
    // Past the map's own look-up, which is linear; `keys_` has seen to doubles.
    auto& members = stack_.back()->get_ref<Json::object_t&>();
    Json::object_t::Container& list = members;
    list.emplace_back(key_, std::move(value));
    return &list.back().second;
  }

  std::vector<Json*> stack_;  // the open containers of the document
  std::vector<std::unordered_set<std::string>> keys_;
  std::string key_;
  bool in_model_ = false;
  Table table_ = Table::none;
  std::size_t tables_depth_ = 0;
  std::vector<std::string> pair_;
  std::size_t values_ = 0;
};

std::vector<Merge> resolve_merges(const FileReader& reader, const std::string& name) {
  const Vocabulary& vocabulary = reader.file.vocabulary;
  std::vector<Merge> merges;
  merges.reserve(reader.merges.size());
  for (const auto& [left, right] : reader.merges) {
    const auto find = [&](const std::string& piece) {
      const TokenId id = vocabulary.find(piece);
      if (id == no_token)
        fail(ExitCode::cannot_load, name + ": model.merges[" + std::to_string(merges.size()) +
                                        "]: '" + piece + "' is not in model.vocab");
      return id;
    };
    merges.push_back({find(left), find(right), find(left + right)});
  }
  return merges;
}

}  // namespace

TokenizerFile read_tokenizer_file(std::string_view text, const std::string& name) {
  if (text.size() > max_tokenizer_bytes)
    fail(ExitCode::cannot_load, name + ": " + std::to_string(text.size()) +
                                    " bytes, more than the limit of 64 MiB for a tokenizer");
  FileReader reader;
  if (!Json::sax_parse(text, static_cast<Sax*>(&reader)))
    fail(ExitCode::cannot_load, name + ": " + reader.message);
  if (!reader.file.document.is_object()) fail(ExitCode::cannot_load, name + ": expected an object");
  if (const auto flaw = reader.file.vocabulary.finish())
    fail(ExitCode::cannot_load, name + ": model.vocab: " + flaw->what);
  reader.file.merges = resolve_merges(reader, name);
  return std::move(reader.file);
}

}  // namespace fg::text::tok
