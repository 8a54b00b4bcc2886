#include "fields.hpp"

#include <cmath>
#include <utility>

namespace fg::arch {
namespace {

std::string plain(double value) {
  return Json(value).dump();
}

}  // namespace

std::string shown(const Json& value) {
  constexpr std::size_t longest = 60;
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > longest) text = text.substr(0, longest) + "...";
  return text;
}

Fields::Fields(const Json& object, std::string name, std::string path)
    : object_(&object), name_(std::move(name)), path_(std::move(path)) {
  if (object.is_object()) return;
  const std::string place =
      path_.empty() ? "the file" : "'" + path_.substr(0, path_.size() - 1) + "'";
  fail(ExitCode::cannot_load,
       name_ + ": " + place + " is " + shown(object) + "; a JSON object is wanted");
}

const Json* Fields::find(std::string_view key) const {
  const auto found = object_->find(key);
  return found == object_->end() ? nullptr : &*found;
}

const Json* Fields::find_value(std::string_view key) const {
  const Json* value = find(key);
  return value != nullptr && value->is_null() ? nullptr : value;
}

void Fields::refuse(std::string_view key, const std::string& allowed) const {
  const Json* value = find(key);
  fail(ExitCode::cannot_load, name_ + ": '" + path_ + std::string(key) + "' is " +
                                  (value == nullptr ? std::string("missing") : shown(*value)) +
                                  "; allowed: " + allowed);
}

void Fields::refuse_because(const std::string& reason) const {
  fail(ExitCode::cannot_load, name_ + ": " + reason);
}

void Fields::require(std::string_view key) const {
  if (find_value(key) == nullptr) refuse(key, "a value, which this kind of model needs");
}

std::int64_t Fields::checked_integer(const Json& value, std::string_view key, std::int64_t min,
                                     std::int64_t max) const {
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
  if (!fits || value.get<std::int64_t>() < min || value.get<std::int64_t>() > max)
    refuse(key, "an integer from " + std::to_string(min) + " to " + std::to_string(max));
  return value.get<std::int64_t>();
}

std::int64_t Fields::integer(std::string_view key, std::int64_t fallback, std::int64_t min,
                             std::int64_t max) const {
  const Json* value = find(key);
  return value == nullptr ? fallback : checked_integer(*value, key, min, max);
}

std::optional<std::int64_t> Fields::maybe_integer(std::string_view key,
                                                  std::optional<std::int64_t> fallback,
                                                  std::int64_t min, std::int64_t max) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_null()) return std::nullopt;
  return checked_integer(*value, key, min, max);
}

double Fields::checked_number(const Json& value, std::string_view key, double min,
                              double max) const {
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!std::isfinite(number) || number < min || number > max)
    refuse(key, "a number from " + plain(min) + " to " + plain(max));
  return number;
}

double Fields::number(std::string_view key, double fallback, double min, double max) const {
  const Json* value = find(key);
  return value == nullptr ? fallback : checked_number(*value, key, min, max);
}

std::optional<double> Fields::maybe_number(std::string_view key, double min, double max) const {
  const Json* value = find_value(key);
  if (value == nullptr) return std::nullopt;
  return checked_number(*value, key, min, max);
}

bool Fields::boolean(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) refuse(key, "true or false");
  return value->get<bool>();
}

std::string Fields::text(std::string_view key, std::string_view fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) refuse(key, "a string");
  return value->get<std::string>();
}

}  // namespace fg::arch
