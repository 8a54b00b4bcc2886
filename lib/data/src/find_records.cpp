#include <algorithm>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/data/records.hpp>

namespace fg::data {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_blank(std::string_view line) {
  return std::all_of(line.begin(), line.end(), is_space);
}

/// Finds where JSON values end, by brackets and quotes alone.
class JsonScanner {
public:
  JsonScanner(std::string_view content, const std::string& name) : text_(content), name_(name) {}

  std::vector<RecordPlace> run() {
    skip_space();
    if (!at_end() && text_[at_] == '[')
      run_list();
    else
      for (; !at_end(); skip_space()) take_value();
    return std::move(places_);
  }

private:
  bool at_end() const { return at_ >= text_.size(); }

  [[noreturn]] void refuse(std::size_t line, const std::string& why) const {
    fail(ExitCode::data, name_ + ": line " + std::to_string(line) + ": " + why);
  }

  std::string number() const { return std::to_string(places_.size() + 1); }

  void skip_space() {
    for (; !at_end() && is_space(text_[at_]); ++at_) line_ += text_[at_] == '\n' ? 1 : 0;
  }

  void run_list() {
    const std::size_t first_line = line_;
    const auto demand_more = [&] {
      if (at_end()) refuse(first_line, "the list that begins here is not closed");
    };
    ++at_;
    skip_space();
    demand_more();
    for (bool more = text_[at_] != ']'; more; skip_space()) {
      take_value();
      skip_space();
      demand_more();
      more = text_[at_] == ',';
      if (!more && text_[at_] != ']')
        refuse(line_, "expected ',' or ']' behind record " + std::to_string(places_.size()));
      if (!more) break;
      ++at_;
      skip_space();
      demand_more();
    }
    ++at_;
    skip_space();
    if (!at_end()) refuse(line_, "there is something behind the list of records");
  }

  void take_value() {
    const RecordPlace place{at_, at_, line_};
    const char first = text_[at_];
    if (first == '{' || first == '[')
      skip_brackets(place.line);
    else if (first == '"')
      skip_string(place.line);
    else
      while (!at_end() && !is_space(text_[at_]) && text_[at_] != ',' && text_[at_] != ']') ++at_;
    if (at_ == place.begin) refuse(line_, "expected record " + number());
    places_.push_back({place.begin, at_, place.line});
  }

  void skip_brackets(std::size_t first_line) {
    std::size_t depth = 0;
    do {
      if (at_end()) refuse(first_line, "record " + number() + " begins here and is not closed");
      const char c = text_[at_];
      if (c == '"') {
        skip_string(first_line);
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      if (c == '\n') ++line_;
      ++at_;
    } while (depth > 0);
  }

  void skip_string(std::size_t first_line) {
    for (++at_; !at_end() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] == '\\') ++at_;
    }
    if (at_end())
      refuse(first_line, "record " + number() + " begins here and holds a text that does not end");
    ++at_;
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0, line_ = 1;
  std::vector<RecordPlace> places_;
};

/// Calls `take(begin, end, number)` for each line, without its end.
template <typename Take>
void for_each_line(std::string_view content, Take take) {
  std::size_t number = 1;
  for (std::size_t begin = 0; begin < content.size(); ++number) {
    const std::size_t found = content.find('\n', begin);
    const std::size_t end = found == std::string_view::npos ? content.size() : found;
    take(begin, end, number);
    begin = end + 1;
  }
}

std::vector<RecordPlace> find_lines(std::string_view content) {
  std::vector<RecordPlace> places;
  for_each_line(content, [&](std::size_t begin, std::size_t end, std::size_t number) {
    if (!is_blank(content.substr(begin, end - begin))) places.push_back({begin, end, number});
  });
  return places;
}

std::vector<RecordPlace> find_paragraphs(std::string_view content) {
  std::vector<RecordPlace> places;
  bool inside = false;
  for_each_line(content, [&](std::size_t begin, std::size_t end, std::size_t number) {
    const bool blank = is_blank(content.substr(begin, end - begin));
    if (end > begin && content[end - 1] == '\r') --end;
    if (!blank && inside) places.back().end = end;
    if (!blank && !inside) places.push_back({begin, end, number});
    inside = !blank;
  });
  return places;
}

}  // namespace

std::vector<RecordPlace> find_records(std::string_view content, Container container,
                                      const std::string& name) {
  const std::size_t skipped = content.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
  content.remove_prefix(skipped);
  std::vector<RecordPlace> places;
  switch (container) {
    case Container::json:
      places = JsonScanner(content, name).run();
      break;
    case Container::json_lines:
      places = find_lines(content);
      break;
    case Container::plain:
      places = find_paragraphs(content);
      break;
  }
  for (RecordPlace& place : places) {
    place.begin += skipped;
    place.end += skipped;
  }
  return places;
}

Container container_of(const std::filesystem::path& path) {
  std::filesystem::path name = path.filename();
  if (name.extension() == ".gz") name = name.stem();
  const std::string extension = name.extension().string();
  if (extension == ".json") return Container::json;
  if (extension == ".jsonl" || extension == ".ndjson") return Container::json_lines;
  if (extension == ".txt") return Container::plain;
  fail(ExitCode::data, path.string() +
                           ": the name does not tell what is in it; wanted is .json, .jsonl, "
                           ".ndjson or .txt, or one of these with .gz behind");
}

}  // namespace fg::data
