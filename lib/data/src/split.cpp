#include <charconv>
#include <cmath>

#include <fg/base/error.hpp>
#include <fg/base/units.hpp>
#include <fg/data/split.hpp>

namespace fg::data {
namespace {

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  fail(ExitCode::usage, "split '" + std::string(text) + "': " + why +
                            "; wanted is a name, a range, or both, for example train, "
                            "train[:95%] or [10:200]");
}

}  // namespace

std::optional<Split::Bound> Split::parse_bound(std::string_view text, std::string_view whole) {
  if (text.empty()) return std::nullopt;
  Bound bound;
  std::string_view digits = text;
  if (digits.back() == '%') {
    bound.per_cent = true;
    digits.remove_suffix(1);
  }
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(),
                                            bound.value, std::chars_format::fixed);
  const bool number = error == std::errc() && end == digits.data() + digits.size();
  if (!number || !std::isfinite(bound.value))
    refuse(whole, "'" + std::string(text) + "' is no number of records and no per cent");
  if (bound.per_cent && std::abs(bound.value) > 100)
    refuse(whole, "'" + std::string(text) + "' is more than 100 %");
  if (!bound.per_cent && (bound.value != std::floor(bound.value) || std::abs(bound.value) > 1e15))
    refuse(whole, "'" + std::string(text) + "' is no whole number of records");
  return bound;
}

Split Split::parse(std::string_view text) {
  Split split;
  split.text_ = text;
  const std::size_t bracket = text.find('[');
  split.name_ = text.substr(0, bracket);
  if (split.name_.find_first_of("]:%/") != std::string::npos)
    refuse(text, "'" + split.name_ + "' is no name");
  if (bracket == std::string_view::npos) return split;
  if (text.back() != ']') refuse(text, "the bracket is not closed");
  const std::string_view range = text.substr(bracket + 1, text.size() - bracket - 2);
  const std::size_t colon = range.find(':');
  if (colon == std::string_view::npos) refuse(text, "no ':' between its bounds");
  split.begin_ = parse_bound(range.substr(0, colon), text);
  split.end_ = parse_bound(range.substr(colon + 1), text);
  return split;
}

Split::Range Split::of(std::size_t records, const std::string& place) const {
  const auto resolve = [&](const std::optional<Bound>& bound, std::size_t absent) {
    if (!bound) return absent;
    const auto all = static_cast<double>(records);
    double at = bound->value;
    if (bound->per_cent) at = std::nearbyint(at * all / 100.0);
    if (bound->value < 0) at += all;
    if (at < 0 || at > all)
      fail(ExitCode::data, place + ": split '" + text_ + "' reaches outside its " +
                               with_thousands(records) + " records");
    return static_cast<std::size_t>(at);
  };
  const Range range{resolve(begin_, 0), resolve(end_, records)};
  if (range.begin > range.end)
    fail(ExitCode::data, place + ": split '" + text_ + "' begins at record " +
                             with_thousands(range.begin) + " and ends before it, at " +
                             with_thousands(range.end));
  return range;
}

}  // namespace fg::data
