#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>
#include <fg/text/chat_template.hpp>

#include "render.hpp"

namespace fg::text {
namespace {

using test::expect_error;
using test::render;

std::string repeated(const std::string& what, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += what;
  return text;
}

void expect_refused(const std::string& source, const std::string& part) {
  const auto begin = std::chrono::steady_clock::now();
  expect_error(ExitCode::data, part, [&] { render(source); });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10)) << source;
}

TEST(JinjaAttack, GivesNoWayToPythonsInside) {
  EXPECT_EQ(render("{{ ''.__class__ }}{{ [].__class__ }}{{ {}.__init__ }}{{ range.__globals__ }}"),
            "");
  expect_refused("{{ ''.__class__.__mro__ }}", "access to attribute '__class__'");
  expect_refused("{{ {}['__class__']['__base__'] }}", "access to attribute '__class__'");
  expect_refused("{{ ''|attr('__class__')|attr('__mro__') }}", "access to attribute '__class__'");
  expect_refused("{{ '{0.__class__.__mro__}'.format(1) }}", "access to attribute '__class__'");
  expect_refused("{{ [].append(1) }}", "access to attribute 'append'");
  expect_refused("{{ {}.update({}) }}", "access to attribute 'update'");
  expect_refused("{{ cycler.__init__.__globals__ }}", "access to attribute '__init__'");
}

TEST(JinjaAttack, EndsEndlessLoops) {
  expect_refused("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
                 "steps");
  expect_refused("{% for i in range(10 ** 9) %}{% endfor %}", "Range too big");
  expect_refused("{{ range(0, 9223372036854775807, 1) }}", "Range too big");
  expect_refused("{% for i in range(99999) %}{{ range(99999)|list|length }}{% endfor %}", "steps");
}

TEST(JinjaAttack, EndsDeepRecursion) {
  expect_refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "more than 64 deep");
  expect_refused("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "more than 64 deep");
  expect_refused(
      "{% set n = namespace(x=[]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}",
      "too deep");
  expect_refused(
      "{% set n = namespace(x=[1]) %}{% for i in range(9999) %}{% set n.x = n.x|map('string') %}{% "
      "endfor %}",
      "too deep");
}

TEST(JinjaAttack, BoundsDepthOfEvaluationOverCalls) {
  const std::string nested = repeated("[", 60) + "m()" + repeated("]", 60);
  expect_refused("{% macro m() %}{{ " + nested + " }}{% endmacro %}{{ m() }}", "deep");
  const std::string sum = "1" + repeated("+1", 200);
  EXPECT_EQ(render("{{ " + sum + " }}"), "201");
}

TEST(JinjaAttack, RefusesScopesWithTooManyNames) {
  std::string source;
  for (int i = 0; i < 5000; ++i)
    source += "{% if a %}{% set x" + std::to_string(i) + " = 1 %}{% endif %}";
  expect_error(ExitCode::cannot_load, "1000 names", [&] { render(source); });
}

TEST(JinjaAttack, RefusesSourcesNestedTooDeep) {
  for (const std::string& source :
       {"{{ " + repeated("(", 50000) + " }}", "{{ " + repeated("[", 50000) + " }}",
        "{{ " + repeated("{1:", 50000), "{{ " + repeated("not ", 50000) + "1 }}",
        "{{ " + repeated("-", 50000) + "1 }}", "{{ " + repeated("1 if 1 else ", 10000) + "1 }}",
        repeated("{% if 1 %}", 10000), repeated("{% for x in y %}", 9000),
        "{{ 1" + repeated("+1", 50000) + " }}", "{{ a" + repeated(".a", 50000) + " }}",
        "{{ a" + repeated("|e", 50000) + " }}", "{{ a" + repeated("()", 50000) + " }}",
        "{{ a" + repeated("[a", 50000)})
    expect_error(ExitCode::cannot_load, ":1:", [&] { render(source); });
}

TEST(JinjaAttack, BoundsStringsAndLists) {
  expect_refused("{{ 'a' * 1000000000 }}", "bytes");
  expect_refused("{{ [1] * 1000000000 }}", "items");
  expect_refused(
      "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% "
      "endfor %}",
      "grows");
  expect_refused("{% for i in range(999) %}{{ 'a' * 100000 }}{% endfor %}", "grows beyond");
  expect_refused("{{ ('a' * 4000000).replace('', 'b' * 4000000) }}", "grows beyond");
  expect_refused("{{ '%99999999d' % 1 }}", "wider than");
  expect_refused("{{ '{:99999999}'.format(1) }}", "wider than");
  expect_refused("{{ 'a'.center(99999999) }}", "longer than");
  expect_refused("{{ '\\t'.expandtabs(99999999) }}", "too large");
  expect_refused("{{ [1]|tojson(indent=99999999) }}", "not supported");
  expect_refused(
      "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set n.l = n.l + [i] %}{% endfor "
      "%}",
      "memory");
  expect_refused(
      "{% set a = 'a' * 4000000 %}{% for i in range(99999) %}{{ a.find('b') }}{% endfor %}",
      "searches");
}

TEST(JinjaAttack, RefusesIntegersBeyond64Bits) {
  expect_refused("{{ 9223372036854775807 + 1 }}", "64 bits");
  expect_refused("{{ 10 ** 40 }}", "64 bits");
  expect_refused("{{ -(-9223372036854775807 - 1) }}", "64 bits");
  expect_refused("{{ (-9223372036854775807 - 1) // -1 }}", "64 bits");
  expect_refused("{{ 1e300|int }}", "64 bits");
  expect_error(ExitCode::cannot_load, "64 bits", [] { render("{{ 99999999999999999999 }}"); });
}

TEST(JinjaAttack, SurvivesCycles) {
  EXPECT_EQ(render("{% set n = namespace() %}{% set n.n = n %}{% macro m() %}{{ n }}{% endmacro "
                   "%}{% set n.m = m %}ok"),
            "ok");
  expect_refused("{% set n = namespace() %}{% set n.n = n %}{{ n }}", "too deep");
  expect_refused("{% set n = namespace() %}{% set n.n = [n] %}{{ n.n == [n] }}{{ n }}", "too deep");
}

TEST(JinjaAttack, ReleasesLongChains) {
  EXPECT_EQ(render("{% set n = namespace(x=none) %}{% for i in range(100000) %}{% set n.x = "
                   "namespace(x=n.x) %}{% endfor %}ok"),
            "ok");
}

TEST(JinjaAttack, KeepsToItsOutputLimit) {
  const auto chat_template =
      ChatTemplate::parse("{% for i in range(100) %}0123456789{% endfor %}", "t");
  expect_error(ExitCode::data, "output grows beyond 99",
               [&] { chat_template.render({}, {.output_bytes = 99}); });
  expect_error(ExitCode::data, "50 steps", [&] { chat_template.render({}, {.steps = 50}); });
}

}  // namespace
}  // namespace fg::text
