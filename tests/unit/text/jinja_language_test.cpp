#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>

#include "render.hpp"

namespace fg::text {
namespace {

using test::render;

void expect_renderings(const std::vector<std::pair<std::string, std::string>>& cases) {
  for (const auto& [source, expected] : cases) EXPECT_EQ(render(source), expected) << source;
}

TEST(JinjaLanguage, TrimsAroundTags) {
  expect_renderings({{"a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc"},
                     {"a\n  {%- if true -%}\n  b\n  {%- endif -%}\nc", "abc"},
                     {"a\n  {%+ if true +%}\n  b{% endif %}", "a\n  \n  b"},
                     {"x {# c #} y\n  {# c #}\nz", "x  y\nz"},
                     {"{% raw %}{{ a }}{% endraw %}", "{{ a }}"},
                     {"a\r\nb\rc", "a\nb\nc"}});
}

TEST(JinjaLanguage, PrintsValuesAsPython) {
  expect_renderings({{"{{ [1, 'a', none, true, 1.0, (2,), {'k': \"it's\"}] }}",
                      "[1, 'a', None, True, 1.0, (2,), {'k': \"it's\"}]"},
                     {"{{ 1e16 }} {{ 1e15 }} {{ 0.1 }} {{ 1e-5 }} {{ 1e22 }}",
                      "1e+16 1000000000000000.0 0.1 1e-05 1e+22"},
                     {"{{ ['\\x00\\u200b\\u00e9'] }}", "['\\x00\\u200bé']"},
                     {"{{ x }}|{{ [x] }}", "|[Undefined]"}});
}

TEST(JinjaLanguage, ComputesAsPython) {
  expect_renderings({{"{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** -1 }} {{ 1 == 1.0 == true }}",
                      "-4 2 3.5 0.5 True"},
                     {"{{ 'a' ~ 1 + 1 if false else 'b' * 3 }}", "bbb"},
                     {"{{ 'abcde'[::-2] }}{{ [1, 2, 3][-2:] }}", "eca[2, 3]"},
                     {"{{ 2.5|round }} {{ 2.675|round(2) }} {{ '42.9'|int }} {{ 'x'|int(7) }}",
                      "2.0 2.67 42 7"}});
}

TEST(JinjaLanguage, KeepsTheScopesOfJinja) {
  expect_renderings(
      {{"{% set x = 1 %}{% for y in [1, 2] %}{% set x = y %}{% endfor %}{{ x }}", "1"},
       {"{% set n = namespace(x=1) %}{% for y in [1, 2] %}{% set n.x = y %}{% endfor %}{{ n.x }}",
        "2"},
       {"{% if true %}{% set x = 1 %}{% endif %}{{ x }}", "1"},
       {"{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}", "2"},
       {"{% for x in [1] %}{% continue %}{% else %}E{% endfor %}", "E"}});
}

TEST(JinjaLanguage, WritesJsonAsPython) {
  expect_renderings(
      {{"{{ {'b': [1, 2.0], 'a': none}|tojson }}", "{\"b\": [1, 2.0], \"a\": null}"},
       {"{{ {'b': 1, 'a': '<é'}|tojson(indent=2, sort_keys=true) }}",
        "{\n  \"a\": \"<é\",\n  \"b\": 1\n}"},
       {"{{ 'é\\n'|tojson(ensure_ascii=true) }}", "\"\\u00e9\\n\""},
       {"{{ [1]|tojson(separators=(',', ':')) }}{{ {1: 2}|tojson }}", "[1]{\"1\": 2}"}});
}

TEST(JinjaLanguage, RefusesTagsThatNeedOtherTemplates) {
  for (const std::string tag :
       {"include 'x'", "import 'x' as y", "extends 'x'", "block b", "from 'x' import y"})
    test::expect_error(ExitCode::cannot_load, "not supported in a chat template",
                       [&] { render("{% " + tag + " %}"); });
  test::expect_error(ExitCode::cannot_load, "unknown tag 'do'", [] { render("{% do x %}"); });
}

TEST(JinjaLanguage, RefusesUnknownFiltersWhenItLoads) {
  test::expect_error(ExitCode::cannot_load, "No filter named 'nope'",
                     [] { render("\n{{ 1|nope }}"); });
  EXPECT_EQ(render("{% if false %}{{ 1|nope }}{% endif %}ok"), "ok");
}

TEST(JinjaLanguage, RefusesTheUseOfUndefinedValues) {
  test::expect_error(ExitCode::data, "1:12: 'missing' is undefined",
                     [] { render("{{ missing + 'x' }}"); });
  test::expect_error(ExitCode::data, "has no attribute 'b'", [] { render("{{ {'a': 1}.b.c }}"); });
}

}  // namespace
}  // namespace fg::text
