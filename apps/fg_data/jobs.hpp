#pragma once

#include <filesystem>
#include <string>

#include <fg/base/json.hpp>
#include <fg/data/chat_encoder.hpp>

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
  text::Rendered render_chat(Json value) const;

  data::ChatEncoder encoder_;
};

}  // namespace fg::data_app
