#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

#include <fg/base/error.hpp>
#include <fg/base/json.hpp>

namespace fg::store {

/// Events of a JSON document of one fixed form. An event that a subclass does not expect ends the
/// parse with a message.
class StrictSax : public nlohmann::json_sax<Json> {
public:
  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("true or false"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_unsigned(number_unsigned_t) override { return unexpected("a number"); }
  bool number_float(number_float_t, const string_t&) override {
    return unexpected("a number that is not whole or too large");
  }
  bool string(string_t&) override { return unexpected("a string"); }
  bool binary(binary_t&) override { return unexpected("binary"); }
  bool start_object(std::size_t) override { return unexpected("an object"); }
  bool key(string_t&) override { return unexpected("a key"); }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return unexpected("an array"); }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    // The text begins with an id in brackets, and quotes the last token: of any length, any bytes.
    std::string text = error.what();
    text.resize(std::min(text.size(), text.find("; last read")));
    const std::size_t bracket = text.find("] ");
    return refuse("not JSON: " + (bracket == std::string::npos ? text : text.substr(bracket + 2)));
  }

  const std::string& message() const { return message_; }

protected:
  bool refuse(std::string message) {
    message_ = std::move(message);
    return false;
  }
  /// Where the document is, to end a message with: "for tensor 'x'".
  virtual std::string place() const { return "here"; }

private:
  bool unexpected(const char* what) {
    return refuse(std::string(what) + " is not allowed " + place());
  }

  std::string message_;
};

/// Characters for the lexer, which buffers whole tokens: no token may be longer than `max_token`,
/// so that memory stays bounded however large the document.
class BoundedCharacters {
public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  static constexpr std::size_t max_token = std::size_t{4} << 20;

  explicit BoundedCharacters(const char* at) : at_(at) {}

  reference operator*() const { return *at_; }
  BoundedCharacters& operator++() {
    step(*at_);
    ++at_;
    return *this;
  }
  friend bool operator==(const BoundedCharacters& left, const BoundedCharacters& right) {
    return left.at_ == right.at_;
  }
  friend bool operator!=(const BoundedCharacters& left, const BoundedCharacters& right) {
    return left.at_ != right.at_;
  }

private:
  void step(char character) {
    if (++run_ > max_token) fail(ExitCode::cannot_load, "a piece of JSON longer than 4 MiB");
    if (quoted_) {
      if (escaped_)
        escaped_ = false;
      else if (character == '\\')
        escaped_ = true;
      else if (character == '"')
        quoted_ = false, run_ = 0;
    } else if (std::string_view("\"{}[]:,").find(character) != std::string_view::npos) {
      quoted_ = character == '"';
      run_ = 0;
    }
  }

  const char* at_;
  std::size_t run_ = 0;
  bool quoted_ = false;
  bool escaped_ = false;
};

/// Parses one document and nothing behind it. Error(cannot_load) that begins with `name`.
inline void parse_bounded(std::string_view text, StrictSax& events, const std::string& name) {
  bool whole = false;
  std::string reason;
  try {
    whole = Json::sax_parse(BoundedCharacters(text.data()),
                            BoundedCharacters(text.data() + text.size()), &events);
    reason = events.message();
  } catch (const Error& error) {
    reason = error.what();
  }
  if (!whole) fail(ExitCode::cannot_load, name + ": " + reason);
}

}  // namespace fg::store
