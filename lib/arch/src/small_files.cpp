#include "small_files.hpp"

#include "fields.hpp"

namespace fg::arch {

Json parse_small(const std::optional<std::string>& text, const std::string& name) {
  if (!text) return Json::object();
  Json value = parse_json(*text, name, {largest_small_file, 64});
  const Fields object(value, name);  // refuses anything but an object
  return value;
}

}  // namespace fg::arch
