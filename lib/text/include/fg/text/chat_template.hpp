#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/json.hpp>
#include <fg/text/byte_span.hpp>

namespace fg::text {

/// A template that could not be parsed (cannot_load) or refused to render (data). The message
/// begins with "name:line:column: ".
class TemplateError : public Error {
public:
  TemplateError(ExitCode code, const std::string& message, int line, int column)
      : Error(code, message), line_(line), column_(column) {}
  int line() const noexcept { return line_; }
  int column() const noexcept { return column_; }

private:
  int line_;
  int column_;
};

/// What a chat template sees. Strings are UTF-8.
struct ChatInput {
  Json messages = Json::array();
  Json tools;      // null: none
  Json documents;  // null: none
  bool add_generation_prompt = false;
  /// bos_token, eos_token, unk_token, pad_token, ...: part of the template's side, not input.
  std::map<std::string, std::string> special_tokens;
  /// More variables, an object; their strings count as input.
  Json extra = Json::object();
};

/// The text of a conversation and what its bytes are. Spans are ordered, not empty and (those of
/// two assistant messages aside) do not touch.
struct Rendered {
  std::string text;
  /// Bytes from strings inside messages, tools, documents or extra variables, through whatever the
  /// template did to them, and all of a tools or documents value printed whole; in doubt a byte is
  /// listed.
  std::vector<ByteSpan> from_input;
  /// Bytes inside {% generation %}.
  std::vector<ByteSpan> generation;
  /// For each message of role "assistant" what the template made of it: from its first to its last
  /// byte, cut where bytes of other input stand between. Not what the template puts around it.
  std::vector<ByteSpan> from_assistant;
};

/// What one rendering may use before it is refused (data).
struct RenderLimits {
  std::int64_t steps = 1'000'000;
  int call_depth = 64;
  std::size_t output_bytes = std::size_t{8} << 20;
  std::size_t memory_bytes = std::size_t{512} << 20;  // of all strings and lists ever made
};

using TemplateClock = std::function<std::chrono::system_clock::time_point()>;

/// A Jinja chat template with the semantics of jinja2 as transformers configures it: sandboxed,
/// immutable, trim_blocks, lstrip_blocks, loop controls, tojson, raise_exception, strftime_now, {%
/// generation %}. Rendering is const and safe from several threads.
class ChatTemplate {
public:
  /// TemplateError(cannot_load) with line and column for what jinja2 refuses to compile and for
  /// tags that need other templates. `name` begins every message.
  static ChatTemplate parse(std::string source, std::string name);

  /// TemplateError(data) where jinja2 raises (raise_exception, undefined values, wrong types) and
  /// beyond the limits.
  Rendered render(const ChatInput& input) const { return render(input, RenderLimits()); }
  Rendered render(const ChatInput& input, const RenderLimits& limits) const;

  /// The clock of strftime_now (local time); the system's by default.
  void set_clock(TemplateClock clock);
  /// True if {% generation %} stands anywhere in it.
  bool has_generation() const;
  const std::string& source() const { return source_; }
  const std::string& name() const { return name_; }

private:
  struct Parsed;
  ChatTemplate(std::string source, std::string name, std::shared_ptr<const Parsed> parsed);

  std::string source_;
  std::string name_;
  std::shared_ptr<const Parsed> parsed_;  // shared by the copies of this template
  TemplateClock clock_;
};

/// The template of a model folder as transformers picks it: chat_template.jinja and
/// additional_chat_templates/*.jinja, else chat_template of tokenizer_config.json (a string, or a
/// list of {name, template}). Of several named ones "tool_use" is taken when there are tools, else
/// "default". Nothing if the folder has none. Error(cannot_load) for a damaged one or when no name
/// fits.
std::optional<ChatTemplate> load_chat_template(const std::filesystem::path& folder,
                                               bool with_tools);

}  // namespace fg::text
