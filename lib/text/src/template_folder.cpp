#include <map>

#include <fg/base/file.hpp>
#include <fg/text/chat_template.hpp>

namespace fg::text {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t max_template_bytes = 1 << 18;
constexpr std::uint64_t max_config_bytes = std::uint64_t{64} << 20;

using NamedTemplates = std::map<std::string, std::string>;

NamedTemplates from_files(const fs::path& folder) {
  NamedTemplates templates;
  if (fs::is_regular_file(folder / "chat_template.jinja"))
    templates["default"] = read_text(folder / "chat_template.jinja", max_template_bytes);
  const fs::path more = folder / "additional_chat_templates";
  if (fs::is_directory(more))
    for (const fs::directory_entry& entry : fs::directory_iterator(more))
      if (entry.path().extension() == ".jinja" && entry.is_regular_file())
        templates[entry.path().stem().string()] = read_text(entry.path(), max_template_bytes);
  return templates;
}

NamedTemplates from_config(const fs::path& path) {
  if (!fs::is_regular_file(path)) return {};
  const Json config = read_json(path, {.max_bytes = max_config_bytes});
  const auto found = config.is_object() ? config.find("chat_template") : config.end();
  if (!config.is_object() || found == config.end() || found->is_null()) return {};
  if (found->is_string()) return {{"default", found->get<std::string>()}};
  NamedTemplates templates;
  const std::string wanted = ": chat_template must be a string or a list of {name, template}";
  if (!found->is_array()) fail(ExitCode::cannot_load, path.string() + wanted);
  for (const Json& entry : *found) {
    const bool complete = entry.is_object() && entry.contains("name") &&
                          entry["name"].is_string() && entry.contains("template") &&
                          entry["template"].is_string();
    if (!complete) fail(ExitCode::cannot_load, path.string() + wanted);
    templates[entry["name"].get<std::string>()] = entry["template"].get<std::string>();
  }
  return templates;
}

}  // namespace

std::optional<ChatTemplate> load_chat_template(const fs::path& folder, bool with_tools) {
  NamedTemplates templates = from_files(folder);
  std::string place = (folder / "chat_template.jinja").string();
  if (templates.empty()) {
    place = (folder / "tokenizer_config.json").string();
    templates = from_config(folder / "tokenizer_config.json");
  }
  if (templates.empty()) return std::nullopt;
  auto chosen = with_tools ? templates.find("tool_use") : templates.end();
  if (chosen == templates.end()) chosen = templates.find("default");
  if (chosen == templates.end())
    fail(ExitCode::cannot_load,
         folder.string() + ": several chat templates, none named \"default\"");
  if (chosen->first == "tool_use") place += " (tool_use)";
  return ChatTemplate::parse(std::move(chosen->second), place);
}

}  // namespace fg::text
