#pragma once

#include <string>
#include <vector>

#include <fg/base/json.hpp>
#include <fg/text/chat_template.hpp>

namespace fg::test {

/// What `source` prints with `extra` as its variables.
inline std::string render(const std::string& source, const Json& extra = Json::object()) {
  text::ChatInput input;
  input.extra = extra;
  return text::ChatTemplate::parse(source, "t.jinja").render(input).text;
}

/// The parts of a rendering that came from input, in order.
inline std::vector<std::string> parts(const std::string& text,
                                      const std::vector<text::ByteSpan>& spans) {
  std::vector<std::string> result;
  for (const text::ByteSpan& span : spans)
    result.push_back(text.substr(span.begin, span.end - span.begin));
  return result;
}

}  // namespace fg::test
