#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <fg/base/json.hpp>
#include <fg/text/chat_template.hpp>
#include <fg/text/tokenizer.hpp>

namespace fg::data_app {

/// A model folder's tokenizer and templates, and what they make of one JSON value.
/// `{"text"}` → `{"ids"}` by the whole tokenizer. `{"messages", "tools", "documents",
/// "add_generation_prompt", …}` → `{"text"}` (render) or `{"ids"}` (tokenize: special tokens only
/// where the template put them, nothing added by the post-processor); other keys are variables of
/// the template. Error(data) for a value that is neither.
class Jobs {
public:
  /// `chat_template`: a file instead of the folder's own template, or empty.
  Jobs(const std::filesystem::path& folder, const std::filesystem::path& chat_template);

  std::string tokenize(const std::string& line) const;
  std::string render(const std::string& line) const;

private:
  text::Rendered render_chat(const Json& value) const;
  const text::ChatTemplate& template_for(bool has_tools) const;

  std::filesystem::path folder_;
  text::Tokenizer tokenizer_;
  std::map<std::string, std::string> special_tokens_;  // "bos_token" → "<s>", …
  std::optional<text::ChatTemplate> plain_;            // absent: the folder has none
  std::optional<text::ChatTemplate> with_tools_;       // absent: `plain_` serves
};

}  // namespace fg::data_app
