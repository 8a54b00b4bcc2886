#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fg/base/json.hpp>

namespace fg::text::tok {

/// A value of a tokenizer file together with its place ("file: pre_tokenizer.pretokenizers[0]"),
/// with which every message begins. Every error is Error(cannot_load). Refers to the document.
class JsonPart {
public:
  JsonPart(const Json& value, std::string place) : value_(&value), place_(std::move(place)) {}

  const std::string& place() const { return place_; }
  bool is_null() const { return value_->is_null(); }
  bool is_string() const { return value_->is_string(); }
  bool is_zero() const { return value_->is_number() && value_->get<double>() == 0; }
  bool is_object() const { return value_->is_object(); }
  [[noreturn]] void refuse(const std::string& what) const;

  /// Refuses keys other than these: what they ask for would silently not happen.
  void expect_keys(std::initializer_list<std::string_view> keys) const;
  /// The member; refused if it is missing.
  JsonPart at(std::string_view key) const;
  std::optional<JsonPart> find(std::string_view key) const;
  /// The elements of an array.
  std::vector<JsonPart> elements() const;

  std::string text() const;
  bool flag() const;
  std::uint64_t count() const;  // an integer from 0 to 2^31 - 1

  std::string text(std::string_view key) const { return at(key).text(); }
  bool flag(std::string_view key) const { return at(key).flag(); }
  /// The member, or `otherwise` if it is missing or null.
  bool flag(std::string_view key, bool otherwise) const;

private:
  const Json* value_;
  std::string place_;
};

/// The one code point that `part` must hold.
std::string one_code_point(const JsonPart& part);

}  // namespace fg::text::tok
