#include "object_text.hpp"

#include <utility>

namespace fg::arch {
namespace {

bool is_space(char letter) {
  return letter == ' ' || letter == '\n' || letter == '\r' || letter == '\t';
}

std::size_t skip_space(const std::string& text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

/// The offset behind the string that begins at `at`.
std::size_t skip_string(const std::string& text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == '"')
      return at + 1;
  }
  return text.size();
}

/// The offset behind the value that begins at `at`; the text is valid JSON.
std::size_t skip_value(const std::string& text, std::size_t at) {
  if (at < text.size() && text[at] == '"') return skip_string(text, at);
  std::size_t depth = 0;
  while (at < text.size()) {
    const char letter = text[at];
    if (letter == '"') {
      at = skip_string(text, at);
      continue;
    }
    if (letter == '{' || letter == '[') ++depth;
    const bool closes = letter == '}' || letter == ']';
    if (depth == 0 && (closes || letter == ',' || is_space(letter))) return at;
    ++at;
    if (closes && --depth == 0) return at;
  }
  return at;
}

}  // namespace

ObjectText::ObjectText(std::string text, std::string name)
    : text_(std::move(text)), name_(std::move(name)) {
  scan();
}

void ObjectText::scan() {
  members_.clear();
  open_ = skip_space(text_, 0);
  // A byte order mark is not JSON, but parsers let it pass.
  if (text_.compare(open_, 3, "\xEF\xBB\xBF") == 0) open_ = skip_space(text_, open_ + 3);
  if (open_ >= text_.size() || text_[open_] != '{')
    fail(ExitCode::cannot_load, name_ + ": not a JSON object");
  std::size_t at = skip_space(text_, open_ + 1);
  while (at < text_.size() && text_[at] == '"') {
    Member member;
    member.begin = at;
    const std::size_t key_end = skip_string(text_, at);
    member.key = Json::parse(text_.substr(at, key_end - at)).get<std::string>();
    member.value_begin = skip_space(text_, skip_space(text_, key_end) + 1);
    member.value_end = skip_value(text_, member.value_begin);
    if (find(member.key) != nullptr)
      fail(ExitCode::cannot_load, name_ + ": key '" + member.key + "' appears twice");
    at = skip_space(text_, member.value_end);
    members_.push_back(std::move(member));
    if (at < text_.size() && text_[at] == ',') at = skip_space(text_, at + 1);
  }
  close_ = at;
}

const ObjectText::Member* ObjectText::find(std::string_view key) const {
  for (const Member& member : members_)
    if (member.key == key) return &member;
  return nullptr;
}

std::optional<std::string_view> ObjectText::raw(std::string_view key) const {
  const Member* member = find(key);
  if (member == nullptr) return std::nullopt;
  return std::string_view(text_).substr(member->value_begin,
                                        member->value_end - member->value_begin);
}

std::optional<Json> ObjectText::value(std::string_view key) const {
  const std::optional<std::string_view> bytes = raw(key);
  if (!bytes) return std::nullopt;
  return parse_json(*bytes, name_ + ": '" + std::string(key) + "'", {bytes->size(), 64});
}

bool ObjectText::is_pretty() const {
  if (members_.empty()) return true;
  return text_.substr(open_, members_.front().begin - open_).find('\n') != std::string::npos;
}

std::string ObjectText::formatted(const Json& value) const {
  if (!is_pretty()) return value.dump();
  std::string result;
  for (const char letter : value.dump(2)) {
    result += letter;
    if (letter == '\n') result += "  ";  // one level down; inside strings newlines are escaped
  }
  return result;
}

void ObjectText::set(std::string_view key, const Json& value) {
  if (const Member* member = find(key); member != nullptr) {
    text_.replace(member->value_begin, member->value_end - member->value_begin, formatted(value));
  } else {
    const bool pretty = is_pretty();
    const std::string colon = pretty ? "\": " : "\":";
    std::string line = members_.empty() ? "" : ",";
    line += (pretty ? "\n  " : "") + Json(std::string(key)).dump();
    line.pop_back();  // its closing quote comes with the colon
    line += colon + formatted(value);
    if (members_.empty())
      text_.replace(open_ + 1, close_ - open_ - 1, line + "\n");
    else
      text_.insert(members_.back().value_end, line);
  }
  scan();
}

void ObjectText::remove(std::string_view key) {
  const Member* member = find(key);
  if (member == nullptr) return;
  const auto index = static_cast<std::size_t>(member - members_.data());
  // With the comma before it, or, for the first, up to the next key.
  std::size_t begin = member->begin;
  std::size_t end = member->value_end;
  if (index > 0)
    begin = members_[index - 1].value_end;
  else if (members_.size() > 1)
    end = members_[1].begin;
  text_.erase(begin, end - begin);
  scan();
}

}  // namespace fg::arch
