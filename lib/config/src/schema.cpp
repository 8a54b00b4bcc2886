#include <fg/config/keys.hpp>
#include <fg/config/write.hpp>

namespace fg::config {
namespace {

Json text_with(const std::string& pattern) {
  return {{"type", "string"}, {"pattern", pattern}};
}

/// Numbers may be written with k, M, G behind them where they count something.
Json number_schema(const Key& key) {
  Json number = {{"type", key.kind == Kind::number ? "number" : "integer"}};
  if (key.range.least) number["minimum"] = *key.range.least;
  if (key.range.above) number["exclusiveMinimum"] = *key.range.above;
  if (key.range.most) number["maximum"] = *key.range.most;
  if (key.kind == Kind::number) return {number, text_with("^[+-]?[0-9.]+[eE][+-]?[0-9]+$")};
  return {number, text_with("^[+-]?[0-9.]+([eE]\\+?[0-9]+)?[kKMG]?$")};
}

Json source_schema() {
  const Json path = {{"type", "string"}};
  const Json weighted = {
      {"type", "object"},
      {"properties", {{"path", path}, {"weight", {{"type", "number"}, {"exclusiveMinimum", 0}}}}},
      {"required", {"path"}},
      {"additionalProperties", false}};
  const Json item = {{"anyOf", {path, weighted}}};
  return {path, weighted, {{"type", "array"}, {"minItems", 1}, {"items", item}}};
}

/// What a key's value may be, as alternatives.
Json alternatives(const Key& key) {
  switch (key.kind) {
    case Kind::boolean:
      return Json::array({{{"type", "boolean"}}});
    case Kind::integer:
    case Kind::number:
      return number_schema(key);
    case Kind::text:
      return Json::array({{{"type", {"string", "number", "boolean"}}}});
    case Kind::path:
      return Json::array({{{"type", "string"}}});
    case Kind::choice: {
      Json words = key.choices;
      for (const auto& [other, word] : key.aliases) words.push_back(other);
      // YAML 1.1 readers take a bare no for false.
      for (const std::string& word : key.choices)
        if (word == "no") words.push_back(false);
      return Json::array({{{"enum", words}}});
    }
    case Kind::duration:
      return {{{"type", "integer"}, {"minimum", key.range.least.value_or(0)}},
              text_with("^[0-9.]+[kKMG]?( +(steps?|tokens?))?$")};
    case Kind::sources:
      return source_schema();
    case Kind::integers:
      return Json::array({{{"type", "array"}, {"items", {{"type", "integer"}}}}});
  }
  return Json::array();
}

Json default_json(const Key& key) {
  const Configuration standard;
  const Json all = to_json(standard);
  return all.contains(key.path) ? all[key.path] : Json(nullptr);
}

Json key_schema(const Key& key) {
  Json any = alternatives(key);
  if (key.kind != Kind::text && key.kind != Kind::path && key.kind != Kind::sources)
    any.push_back(text_with("\\$\\{"));
  any.push_back({{"type", "null"}});
  std::string help = key.help;
  if (!key.unset.empty()) help += " (not set: " + key.unset + ")";
  Json schema = {{"description", help}, {"anyOf", any}};
  const Json standard = default_json(key);
  if (!standard.is_null()) schema["default"] = standard;
  return schema;
}

Json section() {
  return {{"type", {"object", "null"}},
          {"properties", Json::object()},
          {"additionalProperties", false}};
}

void put(Json& root, const std::string& path, Json value) {
  Json* at = &root;
  std::size_t begin = 0;
  for (std::size_t dot; (dot = path.find('.', begin)) != std::string::npos; begin = dot + 1) {
    Json& properties = (*at)["properties"];
    const std::string name = path.substr(begin, dot - begin);
    if (!properties.contains(name)) properties[name] = section();
    at = &properties[name];
  }
  (*at)["properties"][path.substr(begin)] = std::move(value);
}

Json groups_schema() {
  Json group = section();
  group["properties"]["regex"] = {{"type", {"string", "null"}},
                                  {"description", std::string(regex_help)}};
  for (const std::string& name : optimizer_option_names())
    group["properties"][name] = key_schema(*find_key("optimizer." + name));
  return {{"type", {"object", "null"}},
          {"description", "groups of parameters with settings of their own, in order"},
          {"propertyNames", {{"pattern", "^[A-Za-z0-9_-]+$"}}},
          {"additionalProperties", group}};
}

}  // namespace

Json schema() {
  Json root = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
               {"title", "Configuration of fg-train"},
               {"type", "object"},
               {"properties", Json::object()},
               {"additionalProperties", false}};
  const Json file = {{"type", "string"}};
  root["properties"]["extends"] = {
      {"description", "file, or list of files, that this one is laid over"},
      {"anyOf", {file, {{"type", "array"}, {"items", file}}}}};
  for (const Key& key : keys()) put(root, key.path, key_schema(key));
  root["properties"][std::string(groups_section)] = groups_schema();
  return root;
}

}  // namespace fg::config
