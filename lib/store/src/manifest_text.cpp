#include "manifest_text.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/utf8.hpp>
#include <fg/store/manifest.hpp>

namespace fg::store {
namespace {

constexpr std::int64_t format_version = 1;
constexpr JsonLimits limits = {16 << 20, 64};
constexpr std::size_t hash_digits = 32;
constexpr std::string_view end_of_body = "\n}\n";
constexpr std::string_view before_check = ",\n \"check\": \"";
constexpr std::string_view after_check = "\"\n}\n";

bool is_hash(std::string_view text) {
  return text.size() == hash_digits && std::ranges::all_of(text, [](char letter) {
           return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f');
         });
}

/// A file of the folder itself, that no listing hides and that is not the manifest.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name.front() != '.' &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos &&
         name != manifest_name && !find_invalid_utf8(name);
}

std::string check_of(std::string text) {
  const std::size_t at = text.size() - after_check.size() - hash_digits;
  std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(at), hash_digits, '0');
  return hash_text(text);
}

/// One message form for all that parsing finds.
struct Refuse {
  const std::string& name;

  [[noreturn]] void operator()(const std::string& why) const {
    fail(ExitCode::cannot_load, name + ": " + why);
  }
};

void require_check(std::string_view text, const Refuse& refuse) {
  const std::size_t tail = before_check.size() + hash_digits + after_check.size();
  const std::string_view end =
      text.size() < tail ? std::string_view() : text.substr(text.size() - tail);
  if (!end.starts_with(before_check) || !end.ends_with(after_check))
    refuse("does not end in a \"check\" as fg writes it; it was cut or changed");
  const std::string_view digits = end.substr(before_check.size(), hash_digits);
  const std::string wanted = check_of(std::string(text));
  if (digits != wanted && !fault_planted("store.manifest_check"))
    refuse("is damaged: its check is " + std::string(digits) + ", its text gives " + wanted);
}

FileRecord parse_record(const std::string& file, const Json& value, const Refuse& refuse) {
  if (!is_plain_name(file)) refuse(Json(file).dump() + " is not a plain file name");
  if (!value.is_object() || value.size() != 2 || !value.contains("size") ||
      !value.contains("xxh3_128"))
    refuse("the entry of " + Json(file).dump() + " must be an object of size and xxh3_128");
  const Json& size = value.at("size");
  const Json& hash = value.at("xxh3_128");
  if (!size.is_number_unsigned() ||
      size.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max())
    refuse("the size of " + Json(file).dump() + " is not a number of bytes");
  if (!hash.is_string() || !is_hash(hash.get_ref<const std::string&>()))
    refuse("the xxh3_128 of " + Json(file).dump() + " is not 32 hexadecimal digits");
  return {size.get<std::uint64_t>(), hash.get<std::string>()};
}

}  // namespace

std::string seal(std::string body) {
  FG_CHECK(body.ends_with(end_of_body));
  body.resize(body.size() - end_of_body.size());
  body += before_check;
  body += std::string(hash_digits, '0');
  body += after_check;
  const std::string check = check_of(body);
  return body.replace(body.size() - after_check.size() - hash_digits, hash_digits, check);
}

std::string manifest_text(const Manifest& manifest) {
  std::string text = "{\n \"format\": " + std::to_string(format_version) + ",\n \"files\": {";
  const char* separator = "\n";
  for (const auto& [name, record] : manifest.files) {
    if (!is_plain_name(name))
      fail(ExitCode::cannot_save,
           std::string(manifest_name) + ": " +
               Json(name).dump(-1, ' ', false, Json::error_handler_t::replace) +
               " is not a plain file name and cannot be listed");
    FG_CHECK(is_hash(record.xxh3_128));
    text += separator;
    text += "  " + Json(name).dump() + ": {\"size\": " + std::to_string(record.size) +
            ", \"xxh3_128\": \"" + record.xxh3_128 + "\"}";
    separator = ",\n";
  }
  text += manifest.files.empty() ? "}" : "\n }";
  for (const auto& [key, value] : manifest.more.items()) {
    FG_CHECK(key != "format" && key != "files" && key != "check");
    text += ",\n " + Json(key).dump() + ": " + value.dump();
  }
  text = seal(text + std::string(end_of_body));
  if (text.size() > limits.max_bytes)
    fail(ExitCode::cannot_save, std::string(manifest_name) + " would have " +
                                    std::to_string(text.size()) + " bytes, the limit is " +
                                    std::to_string(limits.max_bytes));
  return text;
}

Manifest parse_manifest(std::string_view text, const std::string& name) {
  const Refuse refuse{name};
  Json document = parse_json(text, name, limits);
  if (!document.is_object() || !document.contains("format") || !document.contains("files"))
    refuse("is not a manifest: it must be an object with \"format\" and \"files\"");
  const Json& format = document.at("format");
  if (format != format_version)
    refuse("has the format " + format.dump() + ", this program reads format " +
           std::to_string(format_version));
  require_check(text, refuse);
  const Json& files = document.at("files");
  if (!files.is_object()) refuse("\"files\" must be an object");
  Manifest manifest;
  for (const auto& [file, value] : files.items())
    manifest.files.emplace(file, parse_record(file, value, refuse));
  for (const char* own : {"format", "files", "check"}) document.erase(own);
  manifest.more = std::move(document);
  return manifest;
}

}  // namespace fg::store
