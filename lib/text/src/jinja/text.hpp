#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fg::text::jinja {

/// Where a byte of text came from; bits of one mask.
using Marks = std::uint8_t;
inline constexpr Marks no_marks = 0;
inline constexpr Marks from_input =
    1;  // a string inside messages, tools, documents or extra keywords
inline constexpr Marks in_generation = 2;  // inside {% generation %}
/// Of a message whose role is "assistant", its role aside; the two take turns from one such message
/// to the next, so that neighbours are told apart.
inline constexpr Marks from_assistant_even = 4;
inline constexpr Marks from_assistant_odd = 8;
inline constexpr Marks from_assistant = from_assistant_even | from_assistant_odd;

/// No string of a template grows beyond this, whatever its limits.
inline constexpr std::size_t max_string_bytes = std::size_t{8} << 20;

/// UTF-8 text that knows where each of its bytes came from. Appending keeps the marks of the parts.
/// Failure(limit) when it would grow beyond max_string_bytes.
class Text {
public:
  Text() = default;
  explicit Text(std::string_view bytes, Marks marks = no_marks) { append(bytes, marks); }

  const std::string& bytes() const { return bytes_; }
  std::string_view view() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  void append(std::string_view bytes, Marks marks = no_marks);
  void append(const Text& other);
  /// Bytes [begin, end) of `other`.
  void append(const Text& other, std::size_t begin, std::size_t end);
  Text slice(std::size_t begin, std::size_t end) const;
  void append_code_point(char32_t code_point, Marks marks);

  /// All marks that any byte carries.
  Marks all_marks() const;
  Marks marks_at(std::size_t offset) const;
  /// Adds `marks` to every byte.
  void mark(Marks marks);

  /// A stretch of bytes with equal marks that ends before `end`. Empty list: no byte is marked.
  struct Run {
    std::size_t end;
    Marks marks;
  };
  const std::vector<Run>& runs() const { return runs_; }

private:
  void add_run(std::size_t end, Marks marks);

  std::string bytes_;
  std::vector<Run> runs_;
};

/// Walks over the marks of a text from front to back in constant time a step.
class MarkReader {
public:
  explicit MarkReader(const Text& text) : runs_(text.runs()) {}
  Marks at(std::size_t offset) {
    while (index_ < runs_.size() && runs_[index_].end <= offset) ++index_;
    return index_ < runs_.size() ? runs_[index_].marks : no_marks;
  }

private:
  const std::vector<Text::Run>& runs_;
  std::size_t index_ = 0;
};

}  // namespace fg::text::jinja
