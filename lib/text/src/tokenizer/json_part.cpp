#include "tokenizer/json_part.hpp"

#include <algorithm>
#include <limits>

#include <fg/base/utf8.hpp>

namespace fg::text::tok {

void JsonPart::refuse(const std::string& what) const {
  fail(ExitCode::cannot_load, place_ + ": " + what);
}

void JsonPart::expect_keys(std::initializer_list<std::string_view> keys) const {
  if (!value_->is_object()) refuse("expected an object");
  for (const auto& [key, ignored] : value_->items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      refuse("key '" + key + "' is not supported");
}

JsonPart JsonPart::at(std::string_view key) const {
  auto found = find(key);
  if (!found) refuse("key '" + std::string(key) + "' is missing");
  return *std::move(found);
}

std::optional<JsonPart> JsonPart::find(std::string_view key) const {
  if (!value_->is_object()) refuse("expected an object");
  const auto found = value_->find(key);
  if (found == value_->end()) return std::nullopt;
  return JsonPart(*found, place_ + "." + std::string(key));
}

std::vector<JsonPart> JsonPart::elements() const {
  if (!value_->is_array()) refuse("expected an array");
  std::vector<JsonPart> parts;
  for (std::size_t i = 0; i < value_->size(); ++i)
    parts.emplace_back((*value_)[i], place_ + "[" + std::to_string(i) + "]");
  return parts;
}

std::string JsonPart::text() const {
  if (!value_->is_string()) refuse("expected a string");
  return value_->get<std::string>();
}

bool JsonPart::flag() const {
  if (!value_->is_boolean()) refuse("expected true or false");
  return value_->get<bool>();
}

std::uint64_t JsonPart::count() const {
  if (!value_->is_number_unsigned() ||
      value_->get<std::uint64_t>() > std::numeric_limits<std::int32_t>::max())
    refuse("expected an integer from 0 to 2147483647");
  return value_->get<std::uint64_t>();
}

bool JsonPart::flag(std::string_view key, bool otherwise) const {
  const auto found = find(key);
  return found && !found->is_null() ? found->flag() : otherwise;
}

std::string one_code_point(const JsonPart& part) {
  const std::string text = part.text();
  const auto point = decode_utf8(text);
  if (!point || point->length != text.size()) part.refuse("expected one character");
  return text;
}

}  // namespace fg::text::tok
