#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fg/base/json.hpp>

namespace fg::arch {

/// The text of one JSON object whose top-level members can be replaced, appended and removed while
/// every other byte stays as it is (numbers that a parser would rewrite, white space, the big
/// tables of a tokenizer). New values are written in the indentation of the text.
class ObjectText {
public:
  /// `text` is valid JSON already; anything but an object, and a key that comes twice, is refused.
  /// Error(cannot_load) with `name`.
  ObjectText(std::string text, std::string name);

  bool has(std::string_view key) const { return find(key) != nullptr; }
  /// The member's own bytes, or nothing.
  std::optional<std::string_view> raw(std::string_view key) const;
  /// The member parsed (it is small), or nothing.
  std::optional<Json> value(std::string_view key) const;

  /// Replaces the value where it lies, or appends the member.
  void set(std::string_view key, const Json& value);
  void remove(std::string_view key);

  const std::string& text() const { return text_; }

private:
  struct Member {
    std::string key;
    std::size_t begin;  // of the key's quote
    std::size_t value_begin;
    std::size_t value_end;
  };

  const Member* find(std::string_view key) const;
  void scan();
  bool is_pretty() const;
  std::string formatted(const Json& value) const;

  std::string text_;
  std::string name_;
  std::vector<Member> members_;
  std::size_t open_ = 0;   // offset of {
  std::size_t close_ = 0;  // offset of }
};

}  // namespace fg::arch
