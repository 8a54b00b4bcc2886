#include "chat_templates.hpp"

#include <algorithm>
#include <string_view>

#include "fields.hpp"
#include "object_text.hpp"
#include "small_files.hpp"

namespace fg::arch {
namespace {

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::all_of(name.begin(), name.end(), [](char letter) {
           return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                  (letter >= '0' && letter <= '9') || letter == '_' || letter == '-';
         });
}

/// The list form: [{"name": "default", "template": "..."}, ...]. transformers reads the others from
/// additional_chat_templates/ as soon as the default lies in chat_template.jinja.
std::vector<ChatTemplateFile> read_named(const Json& list, const std::string& name) {
  std::vector<ChatTemplateFile> result;
  for (std::size_t index = 0; index < list.size(); ++index) {
    const Fields entry(list[index], name, "chat_template[" + std::to_string(index) + "].");
    entry.require("name");
    entry.require("template");
    const std::string label = entry.text("name", "");
    if (!is_plain_name(label)) entry.refuse("name", "letters, digits, _ and -, at most 64");
    const std::string path = label == "default" ? "chat_template.jinja"
                                                : "additional_chat_templates/" + label + ".jinja";
    result.push_back({path, entry.text("template", "")});
  }
  return result;
}

}  // namespace

bool has_chat_template(const TokenizerFiles& files) {
  if (files.chat_template) return true;
  const Json config = parse_small(files.tokenizer_config, files.name + "/tokenizer_config.json");
  return config.contains("chat_template") && !config["chat_template"].is_null();
}

void plan_chat_templates(const TokenPlanOptions& options, TokenPlan& plan) {
  const std::string name = plan.files.name + "/tokenizer_config.json";
  if (options.chat_template) {
    plan.replaces_chat_template = true;
    plan.chat_templates = {{"chat_template.jinja", *options.chat_template}};
    if (plan.files.tokenizer_config) {
      ObjectText text(*plan.files.tokenizer_config, name);
      text.remove("chat_template");
      plan.files.tokenizer_config = text.text();
    }
  } else if (plan.files.chat_template) {
    plan.chat_templates = {{"chat_template.jinja", *plan.files.chat_template}};
  } else {
    const Json config = parse_small(plan.files.tokenizer_config, name);
    const Json value = config.value("chat_template", Json());
    if (value.is_string())
      plan.chat_templates = {{"chat_template.jinja", value.get<std::string>()}};
    else if (value.is_array())
      plan.chat_templates = read_named(value, name);
    else if (!value.is_null())
      fail(ExitCode::cannot_load, name + ": 'chat_template' is " + shown(value) +
                                      "; allowed: a template, or a list of named ones");
  }
  plan.files.chat_template.reset();
  for (const ChatTemplateFile& file : plan.chat_templates)
    if (file.path == "chat_template.jinja") plan.files.chat_template = file.text;
}

}  // namespace fg::arch
