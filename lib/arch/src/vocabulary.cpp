#include "vocabulary.hpp"

#include <utility>
#include <vector>

#include "fields.hpp"
#include "object_text.hpp"

namespace fg::arch {
namespace {

constexpr std::int64_t most_tokens = std::int64_t{1} << 24;
constexpr std::size_t deepest = 64;

/// Collects model.vocab from the events of the document; nothing else of it is kept.
class VocabularyReader final : public nlohmann::json_sax<Json> {
public:
  explicit VocabularyReader(std::unordered_map<std::string, std::int64_t>& ids) : ids_(ids) {}

  bool null() override { return other(); }
  bool boolean(bool) override { return other(); }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return number(value > static_cast<number_unsigned_t>(most_tokens)
                      ? most_tokens
                      : static_cast<number_integer_t>(value));
  }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool string(string_t&) override { return other(); }
  bool binary(binary_t&) override { return other(); }
  bool start_object(std::size_t) override {
    if (in_vocabulary()) return refuse("model.vocab holds an object, not ids");
    if (path_.size() == 2 && path_[0] == "model" && path_[1] == "vocab") found_ = true;
    return enter();
  }
  bool start_array(std::size_t) override {
    if (in_vocabulary()) return refuse("model.vocab holds a list, not ids");
    return enter();
  }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    path_.back() = name;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    const std::string text = error.what();
    const std::size_t bracket = text.find("] ");
    return refuse(bracket == std::string::npos ? text : text.substr(bracket + 2));
  }

  bool found() const { return found_; }
  const std::string& message() const { return message_; }

private:
  bool in_vocabulary() const {
    return path_.size() == 3 && path_[0] == "model" && path_[1] == "vocab";
  }
  bool refuse(std::string message) {
    message_ = std::move(message);
    return false;
  }
  bool enter() {
    path_.emplace_back();
    return path_.size() <= deepest || refuse("nested deeper than 64 levels");
  }
  bool leave() {
    path_.pop_back();
    return true;
  }
  bool other() {
    return !in_vocabulary() || !found_ || refuse("model.vocab: '" + path_[2] + "' has no id");
  }
  bool number(std::int64_t value) {
    if (!in_vocabulary() || !found_) return true;
    if (value < 0 || value >= most_tokens)
      return refuse("model.vocab: the id of '" + path_[2] + "' is " + std::to_string(value) +
                    "; allowed: 0 to " + std::to_string(most_tokens - 1));
    if (!ids_.emplace(path_[2], value).second)
      return refuse("model.vocab has '" + path_[2] + "' twice");
    return true;
  }

  std::unordered_map<std::string, std::int64_t>& ids_;
  std::vector<std::string> path_;
  bool found_ = false;
  std::string message_;
};

}  // namespace

Vocabulary::Vocabulary(std::string_view tokenizer_json, const std::string& name) {
  VocabularyReader reader(ids_);
  if (!Json::sax_parse(tokenizer_json, &reader))
    fail(ExitCode::cannot_load, name + ": " + reader.message());
  if (!reader.found())
    fail(ExitCode::cannot_load,
         name +
             ": model.vocab is not an object of tokens and ids; only BPE tokenizers are supported");
  const ObjectText text(std::string(tokenizer_json), name);
  if (const std::optional<Json> added = text.value("added_tokens"); added && !added->is_null())
    added_tokens_ = *added;
  add_added_tokens(name);
  check_ids(name);
}

void Vocabulary::add_added_tokens(const std::string& name) {
  if (!added_tokens_.is_array())
    fail(ExitCode::cannot_load,
         name + ": 'added_tokens' is " + shown(added_tokens_) + "; a list is wanted");
  for (std::size_t index = 0; index < added_tokens_.size(); ++index) {
    const Fields token(added_tokens_[index], name, "added_tokens[" + std::to_string(index) + "].");
    const std::string content = token.text("content", "");
    if (content.empty()) token.refuse("content", "the token's text");
    token.require("id");
    const std::int64_t id = token.integer("id", 0, 0, most_tokens - 1);
    const auto [place, is_new] = ids_.emplace(content, id);
    if (!is_new && place->second != id)
      token.refuse("id", std::to_string(place->second) + ", which '" + content + "' has already");
  }
}

void Vocabulary::check_ids(const std::string& name) const {
  std::vector<bool> seen(ids_.size(), false);
  for (const auto& [token, id] : ids_) {
    if (id >= size())
      fail(ExitCode::cannot_load, name + ": the ids have holes or come twice: '" + token + "' is " +
                                      std::to_string(id) + " of " + std::to_string(size()) +
                                      " tokens");
    if (seen[static_cast<std::size_t>(id)])
      fail(ExitCode::cannot_load,
           name + ": id " + std::to_string(id) + " belongs to two tokens, one is '" + token + "'");
    seen[static_cast<std::size_t>(id)] = true;
  }
}

std::optional<std::int64_t> Vocabulary::find(std::string_view token) const {
  const auto found = ids_.find(std::string(token));
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace fg::arch
