#include "jinja/printf_format.hpp"

#include <cmath>

#include "jinja/arguments.hpp"
#include "jinja/format_spec.hpp"
#include "jinja/markup.hpp"
#include "jinja/numbers.hpp"
#include "jinja/operators.hpp"
#include "jinja/python_text.hpp"
#include "jinja/unicode.hpp"

namespace fg::text::jinja {
namespace {

struct Conversion {
  bool left = false;
  bool plus = false;
  bool space = false;
  bool zero = false;
  bool alternate = false;
  std::size_t width = 0;
  std::optional<int> precision;
  char type = '\0';
};

class PrintfFormatter {
public:
  PrintfFormatter(Interpreter& run, const String& format, const Value& values)
      : run_(run), format_(format.text), markup_(format.markup), values_(values) {
    is_tuple_ = values.is(Kind::tuple);
    is_mapping_ = values.is(Kind::dict) || values.is(Kind::list) || values.is(Kind::range) ||
                  values.is(Kind::undefined);
  }

  Value format() {
    const std::string_view text = format_.view();
    while (at_ < text.size()) {
      const std::size_t percent = std::min(text.find('%', at_), text.size());
      out_.append(format_, at_, percent);
      at_ = percent;
      if (at_ < text.size()) convert();
    }
    check_all_used();
    return run_.string(std::move(out_), markup_);
  }

private:
  char peek() const {
    if (at_ >= format_.size()) value_failure("incomplete format");
    return format_.view()[at_];
  }

  void check_all_used() const {
    if (is_tuple_ ? next_ < values_.sequence().items.size()
                  : next_ == 0 && !is_mapping_ && !used_mapping_)
      type_failure("not all arguments converted during string formatting");
  }

  const Value& next_value() {
    if (mapped_) return *mapped_;
    if (is_tuple_) {
      const Values& items = values_.sequence().items;
      if (next_ >= items.size()) type_failure("not enough arguments for format string");
      return items[next_++];
    }
    if (next_++ > 0) type_failure("not enough arguments for format string");
    return values_;
  }

  void convert() {
    const std::size_t begin = at_++;
    mapped_.reset();
    if (peek() == '(') read_key();
    Conversion conversion;
    read_flags(conversion);
    conversion.width = read_number(conversion.left);
    if (peek() == '.') {
      ++at_;
      bool ignored = false;
      conversion.precision = static_cast<int>(read_number(ignored));
    }
    while (peek() == 'h' || peek() == 'l' || peek() == 'L') ++at_;
    conversion.type = peek();
    ++at_;
    const Marks marks = format_.marks_at(begin);
    if (conversion.type == '%') {
      out_.append("%", marks);
      return;
    }
    apply(conversion, marks);
  }

  void read_key() {
    if (!values_.is(Kind::dict)) type_failure("format requires a mapping");
    const std::size_t begin = ++at_;
    for (int open = 1; open > 0; ++at_) {
      const char c = at_ < format_.size() ? format_.view()[at_] : '\0';
      if (at_ >= format_.size()) value_failure("incomplete format key");
      open += c == '(' ? 1 : c == ')' ? -1 : 0;
    }
    const Value key = run_.string(format_.slice(begin, at_ - 1));
    const Value* found = values_.dict().find(key);
    if (found == nullptr)
      throw Failure(FailureKind::lookup, "key '" + key.bytes() + "' of a format is missing");
    mapped_ = *found;
    used_mapping_ = true;
  }

  void read_flags(Conversion& conversion) {
    while (true) {
      switch (peek()) {
        case '-':
          conversion.left = true;
          break;
        case '+':
          conversion.plus = true;
          break;
        case ' ':
          conversion.space = true;
          break;
        case '0':
          conversion.zero = true;
          break;
        case '#':
          conversion.alternate = true;
          break;
        default:
          return;
      }
      ++at_;
    }
  }

  std::size_t read_number(bool& negative) {
    std::int64_t number = 0;
    if (peek() == '*') {
      ++at_;
      if (mapped_) type_failure("not enough arguments for format string");
      const Value& value = next_value();
      if (!value.is_integral()) type_failure("* wants int");
      number = value.integer();
      if (number < 0) negative = true;
      number = number < 0 ? -std::max(number, -std::int64_t{1'000'000}) : number;
    } else {
      while (peek() >= '0' && peek() <= '9' && number <= 1'000'000)
        number = number * 10 + (format_.view()[at_++] - '0');
    }
    if (number > static_cast<std::int64_t>(max_format_width))
      limit_failure("a format is wider than " + std::to_string(max_format_width));
    return static_cast<std::size_t>(number);
  }

  void apply(const Conversion& conversion, Marks marks) {
    switch (conversion.type) {
      case 's':
      case 'r':
      case 'a':
        apply_text(conversion);
        return;
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        apply_integer(conversion, marks);
        return;
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        apply_real(conversion, marks);
        return;
      case 'c':
        apply_character(conversion);
        return;
      default:
        value_failure(std::string("unsupported format character '") + conversion.type + "'");
    }
  }

  void pad(const Conversion& conversion, const Text& text) {
    const std::size_t points = count_code_points(text.view());
    const std::string fill(conversion.width > points ? conversion.width - points : 0, ' ');
    if (!conversion.left) out_.append(fill);
    out_.append(text);
    if (conversion.left) out_.append(fill);
  }

  void apply_text(const Conversion& conversion) {
    const Value value = next_value();
    Text text;
    if (conversion.type == 's')
      text = to_str(run_.budget(), value);
    else if (conversion.type == 'r' || !value.is(Kind::string))
      text = to_repr(run_.budget(), value);
    else
      append_string_repr(text, value.string(), true);
    if (markup_ && !(value.is(Kind::string) && value.string().markup)) text = escape_text(text);
    if (conversion.precision)
      text =
          text.slice(0, byte_offset(text.view(), static_cast<std::size_t>(*conversion.precision)));
    pad(conversion, text);
  }

  void apply_character(const Conversion& conversion) {
    const Value value = next_value();
    Text text;
    if (value.is(Kind::string) && value.string().points == 1) {
      text = value.string().text;
    } else if (value.is_integral()) {
      const std::int64_t c = value.integer();
      if (c < 0 || c > 0x10FFFF)
        throw Failure(FailureKind::overflow, "%c arg not in range(0x110000)");
      if (c >= 0xD800 && c < 0xE000) value_failure("%c of a surrogate cannot be written as UTF-8");
      text.append_code_point(static_cast<char32_t>(c), no_marks);
    } else {
      type_failure("%c requires int or char");
    }
    pad(conversion, text);
  }

  /// Sign, prefix and digits with the padding between or around them.
  void pad_number(const Conversion& conversion, const std::string& sign, const std::string& prefix,
                  const std::string& digits, Marks marks) {
    std::string body = sign + prefix;
    const std::size_t size = body.size() + digits.size();
    const std::size_t missing = conversion.width > size ? conversion.width - size : 0;
    const bool zeros = conversion.zero && !conversion.left;
    if (!zeros && !conversion.left) body.insert(0, missing, ' ');
    if (zeros) body.append(missing, '0');
    body += digits;
    if (conversion.left) body.append(missing, ' ');
    out_.append(body, marks);
  }

  std::string sign_of(const Conversion& conversion, bool negative) const {
    return negative ? "-" : conversion.plus ? "+" : conversion.space ? " " : "";
  }

  void apply_integer(const Conversion& conversion, Marks marks) {
    const Value value = next_value();
    const bool decimal = conversion.type == 'd' || conversion.type == 'i' || conversion.type == 'u';
    if (value.is(Kind::undefined)) refuse_undefined(value);
    if (!value.is_integral() && !(decimal && value.is(Kind::real)))
      type_failure(std::string("%") + conversion.type +
                   " format: " + (decimal ? "a real number" : "an integer") + " is required, not " +
                   type_name(value));
    const std::int64_t number =
        value.is(Kind::real) ? truncate_real(value.real()) : value.integer();
    const std::uint64_t size =
        number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
    const char* pattern = decimal                  ? "%lu"
                          : conversion.type == 'o' ? "%lo"
                          : conversion.type == 'x' ? "%lx"
                                                   : "%lX";
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, pattern, static_cast<unsigned long>(size));
    std::string digits = buffer;
    if (conversion.precision && digits.size() < static_cast<std::size_t>(*conversion.precision))
      digits.insert(0, static_cast<std::size_t>(*conversion.precision) - digits.size(), '0');
    const std::string prefix =
        conversion.alternate && !decimal ? std::string("0") + conversion.type : std::string();
    pad_number(conversion, sign_of(conversion, number < 0), prefix, digits, marks);
  }

  void apply_real(const Conversion& conversion, Marks marks) {
    const Value value = next_value();
    if (value.is(Kind::undefined)) refuse_undefined(value);
    if (!value.is_number()) type_failure("must be real number, not " + type_name(value));
    std::string digits = real_in_type(value.real(), conversion.type,
                                      conversion.precision.value_or(6), conversion.alternate);
    const bool negative = digits[0] == '-';
    if (negative) digits.erase(0, 1);
    Conversion padded = conversion;
    pad_number(padded, sign_of(conversion, negative), "", digits, marks);
  }

  Interpreter& run_;
  const Text& format_;
  bool markup_;
  const Value& values_;
  bool is_tuple_ = false;
  bool is_mapping_ = false;
  bool used_mapping_ = false;
  std::optional<Value> mapped_;
  std::size_t at_ = 0;
  std::size_t next_ = 0;
  Text out_;
};

}  // namespace

Value format_printf(Interpreter& run, const String& format, const Value& values) {
  run.budget().scan(format.text.size());
  return PrintfFormatter(run, format, values).format();
}

}  // namespace fg::text::jinja
