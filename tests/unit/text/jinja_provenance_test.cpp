#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/text/chat_template.hpp>

#include "render.hpp"

namespace fg::text {
namespace {

using Parts = std::vector<std::string>;

/// The marked parts of `source` where m is a message with the content given.
Parts marked(const std::string& source, const std::string& content = "abc") {
  ChatInput input;
  input.messages = Json::array({Json{{"role", "user"}, {"content", content}, {"n", 5}}});
  const Rendered rendered =
      ChatTemplate::parse("{% set c = messages[0].content %}" + source, "t").render(input);
  return test::parts(rendered.text, rendered.from_input);
}

TEST(JinjaProvenance, FollowsSlicesAndConcatenation) {
  EXPECT_EQ(marked("[{{ '<' + c[1:] + '>' ~ c[0] }}]"), (Parts{"bc", "a"}));
  EXPECT_EQ(marked("{{ ('x' + c + 'y')[1:3] }}"), (Parts{"ab"}));
  EXPECT_EQ(marked("{{ ('x' + c + 'y')[::-1] }}"), (Parts{"cba"}));
  EXPECT_EQ(marked("{{ c * 2 }}"), (Parts{"abcabc"}));
}

TEST(JinjaProvenance, FollowsMethods) {
  EXPECT_EQ(marked("{{ ('x ' + c).upper() }}"), (Parts{"ABC"}));
  EXPECT_EQ(marked("{{ c.split('b')|join('-') }}"), (Parts{"a", "c"}));
  EXPECT_EQ(marked("{{ 'xyz'.replace('y', c) }}"), (Parts{"abc"}));
  EXPECT_EQ(marked("{{ c.replace('b', '<b>') }}"), (Parts{"a", "c"}));
  EXPECT_EQ(marked("{{ c.join(['1', '2']) }}"), (Parts{"abc"}));
  EXPECT_EQ(marked("{{ 'a{}b{}'.format(c, 1) }}{{ 'q%sq' % c }}"), (Parts{"abc", "abc"}));
  EXPECT_EQ(marked("{{ c.format() }}{{ '|' }}{{ c % () }}"), (Parts{"abc", "abc"}));
  EXPECT_EQ(marked("{{ c.center(7, '*') }}"), (Parts{"abc"}));
}

TEST(JinjaProvenance, FollowsFilters) {
  EXPECT_EQ(marked("{{ c|trim|title }}", " ab "), (Parts{"Ab"}));
  EXPECT_EQ(marked("{{ c|indent(2) }}", "a\nb"), (Parts{"a", "b"}));
  EXPECT_EQ(marked("{{ c|e }}", "<"), (Parts{"&lt;"}));
  EXPECT_EQ(marked("{{ c|urlencode }}", "a b"), (Parts{"a%20b"}));
  EXPECT_EQ(marked("{{ [c, 'x']|sort|join }}"), (Parts{"abc"}));
  EXPECT_EQ(marked("{{ c|list|reverse|join('.') }}"), (Parts{"c", "b", "a"}));
}

TEST(JinjaProvenance, FollowsJsonAndRepr) {
  EXPECT_EQ(marked("{{ {'k': c}|tojson }}"), (Parts{"\"abc\""}));
  EXPECT_EQ(marked("{{ {'k': c} }}"), (Parts{"'abc'"}));
  EXPECT_EQ(marked("{{ messages[0]|tojson }}"),
            (Parts{R"({"role": "user", "content": "abc", "n": 5})"}));
  EXPECT_EQ(marked("{{ messages }}"), (Parts{"[{'role': 'user', 'content': 'abc', 'n': 5}]"}));
  EXPECT_EQ(marked("{{ c|tojson }}", "\xC3\xA9\n"), (Parts{"\"\xC3\xA9\\n\""}));
}

TEST(JinjaProvenance, FollowsMacrosBlocksAndKeys) {
  EXPECT_EQ(marked("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(c) }}"), (Parts{"abc"}));
  EXPECT_EQ(marked("{% set x %}<{{ c }}>{% endset %}{{ x }}"), (Parts{"abc"}));
  EXPECT_EQ(marked("{% filter upper %}x{{ c }}{% endfilter %}"), (Parts{"ABC"}));
  EXPECT_EQ(marked("{% for k in messages[0] %}{{ k }};{% endfor %}"),
            (Parts{"role", "content", "n"}));
  EXPECT_EQ(marked("{% set n = namespace(s='') %}{% for x in c %}{% set n.s = n.s ~ '.' ~ x %}{% "
                   "endfor %}{{ n.s }}"),
            (Parts{"a", "b", "c"}));
}

TEST(JinjaProvenance, KeepsTheTemplatesOwnText) {
  EXPECT_EQ(
      marked("{% if c == 'abc' %}{{ 'abc' }}{% endif %}{{ {'abc': 'own'}[c] }}{{ c|length }}"),
      Parts{});
}

TEST(JinjaProvenance, FollowsUnusualCharacters) {
  EXPECT_EQ(marked("{{ 'ß' ~ c|upper }}", "ß\xF0\x9F\x98\x80"), (Parts{"SS\xF0\x9F\x98\x80"}));
}

}  // namespace
}  // namespace fg::text
