// Renders chat templates: one JSON object a line in, one a line out.
// {"template", "messages", "tools", "documents", "add_generation_prompt", "special_tokens",
// "extra", "now", "limits"} gives {"text", "from_input", "generation"} or {"error", "code", "line",
// "column"}.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>

#include <fg/base/json.hpp>
#include <fg/text/chat_template.hpp>

namespace {

using fg::Json;

Json spans_as_json(const std::vector<fg::text::ByteSpan>& spans) {
  Json list = Json::array();
  for (const auto& span : spans) list.push_back({span.begin, span.end});
  return list;
}

fg::text::ChatInput read_input(const Json& request) {
  fg::text::ChatInput input;
  input.messages = request.value("messages", Json::array());
  if (request.contains("tools")) input.tools = request["tools"];
  if (request.contains("documents")) input.documents = request["documents"];
  input.add_generation_prompt = request.value("add_generation_prompt", false);
  if (request.contains("special_tokens"))
    for (const auto& [name, token] : request["special_tokens"].items())
      input.special_tokens[name] = token.get<std::string>();
  if (request.contains("extra")) input.extra = request["extra"];
  return input;
}

Json answer(const Json& request) {
  try {
    auto chat_template =
        fg::text::ChatTemplate::parse(request["template"].get<std::string>(), "template");
    if (request.contains("now")) {
      const std::chrono::system_clock::time_point now{
          std::chrono::seconds(request["now"].get<std::int64_t>())};
      chat_template.set_clock([now] { return now; });
    }
    const fg::text::Rendered rendered = chat_template.render(read_input(request));
    return {{"text", rendered.text},
            {"from_input", spans_as_json(rendered.from_input)},
            {"generation", spans_as_json(rendered.generation)}};
  } catch (const fg::text::TemplateError& error) {
    return {{"error", error.what()},
            {"code", static_cast<int>(error.code())},
            {"line", error.line()},
            {"column", error.column()}};
  } catch (const fg::Error& error) {
    return {{"error", error.what()},
            {"code", static_cast<int>(error.code())},
            {"line", 0},
            {"column", 0}};
  }
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const Json request = fg::parse_json(line, "request", {.max_bytes = 64 << 20, .max_depth = 100});
    std::cout << answer(request).dump() << '\n';
  }
  return 0;
}
