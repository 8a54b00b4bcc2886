#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include <fg/base/json.hpp>

namespace fg::arch {

/// Checked look-ups in one JSON object of a file we did not write. Every refusal names the file,
/// the key, the value and what is allowed. Error(cannot_load).
class Fields {
public:
  /// `path` is the object's place in the file, for example "rope_scaling."; empty at the root.
  Fields(const Json& object, std::string name, std::string path = "");

  /// The value, or null where the key is absent.
  const Json* find(std::string_view key) const;
  /// As `find`, and null also where the value is null.
  const Json* find_value(std::string_view key) const;

  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t min,
                       std::int64_t max) const;
  /// Nothing where the value is null; `fallback` where the key is absent.
  std::optional<std::int64_t> maybe_integer(std::string_view key,
                                            std::optional<std::int64_t> fallback, std::int64_t min,
                                            std::int64_t max) const;
  double number(std::string_view key, double fallback, double min, double max) const;
  std::optional<double> maybe_number(std::string_view key, double min, double max) const;
  bool boolean(std::string_view key, bool fallback) const;
  std::string text(std::string_view key, std::string_view fallback) const;

  void require(std::string_view key) const;
  [[noreturn]] void refuse(std::string_view key, const std::string& allowed) const;
  [[noreturn]] void refuse_because(const std::string& reason) const;

  const std::string& name() const { return name_; }

private:
  std::int64_t checked_integer(const Json& value, std::string_view key, std::int64_t min,
                               std::int64_t max) const;
  double checked_number(const Json& value, std::string_view key, double min, double max) const;

  const Json* object_;
  std::string name_;
  std::string path_;
};

/// A value for a message: JSON, cut where it is long.
std::string shown(const Json& value);

}  // namespace fg::arch
