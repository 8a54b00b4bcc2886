#include "jinja/text.hpp"

#include <algorithm>

#include <fg/base/failpoint.hpp>
#include <fg/base/utf8.hpp>

#include "jinja/failure.hpp"

namespace fg::text::jinja {

void Text::add_run(std::size_t end, Marks marks) {
  if (runs_.empty()) {
    if (marks == no_marks) return;
    if (!bytes_.empty()) runs_.push_back({bytes_.size(), no_marks});
  }
  if (!runs_.empty() && runs_.back().marks == marks)
    runs_.back().end = end;
  else
    runs_.push_back({end, marks});
}

void Text::append(std::string_view bytes, Marks marks) {
  if (bytes.empty()) return;
  if (bytes.size() > max_string_bytes - bytes_.size())
    limit_failure("a string grows beyond " + std::to_string(max_string_bytes) + " bytes");
  add_run(bytes_.size() + bytes.size(), marks);
  bytes_.append(bytes);
}

void Text::append(const Text& other) {
  append(other, 0, other.size());
}

void Text::append(const Text& other, std::size_t begin, std::size_t end) {
  if (begin >= end) return;
  if (other.runs_.empty()) {
    append(std::string_view(other.bytes_).substr(begin, end - begin));
    return;
  }
  auto run = std::upper_bound(other.runs_.begin(), other.runs_.end(), begin,
                              [](std::size_t at, const Run& r) { return at < r.end; });
  for (std::size_t at = begin; at < end; ++run) {
    const std::size_t stop = run == other.runs_.end() ? end : std::min(end, run->end);
    append(std::string_view(other.bytes_).substr(at, stop - at),
           run == other.runs_.end() ? no_marks : run->marks);
    at = stop;
    if (run == other.runs_.end()) break;
  }
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  static const bool unmarked = fault_planted("text.slice_unmarked");
  Text result;
  if (unmarked)
    result.append(view().substr(begin, end - begin));
  else
    result.append(*this, begin, end);
  return result;
}

void Text::append_code_point(char32_t code_point, Marks marks) {
  std::string bytes;
  append_utf8(bytes, code_point);
  append(bytes, marks);
}

Marks Text::all_marks() const {
  Marks marks = no_marks;
  for (const Run& run : runs_) marks = static_cast<Marks>(marks | run.marks);
  return marks;
}

Marks Text::marks_at(std::size_t offset) const {
  const auto run = std::upper_bound(runs_.begin(), runs_.end(), offset,
                                    [](std::size_t at, const Run& r) { return at < r.end; });
  return run == runs_.end() ? no_marks : run->marks;
}

void Text::mark(Marks marks) {
  if (marks == no_marks || bytes_.empty()) return;
  if (runs_.empty()) runs_.push_back({bytes_.size(), no_marks});
  std::vector<Run> merged;
  for (const Run& run : runs_) {
    const Marks both = static_cast<Marks>(run.marks | marks);
    if (!merged.empty() && merged.back().marks == both)
      merged.back().end = run.end;
    else
      merged.push_back({run.end, both});
  }
  runs_ = std::move(merged);
}

}  // namespace fg::text::jinja
