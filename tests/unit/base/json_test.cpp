#include <gtest/gtest.h>

#include <fg/base/json.hpp>
#include <fg/test/expect_error.hpp>

namespace fg {
namespace {

using test::expect_error;

TEST(Json, KeepsTheOrderOfKeys) {
  const Json json = parse_json(R"({"b": 1, "a": [true, null, 1e-05]})", "x.json");

  EXPECT_EQ(json.dump(), R"({"b":1,"a":[true,null,1e-05]})");
}

TEST(Json, RefusesWithTheFileAndTheRuleBroken) {
  const auto refused = [](const std::string& text, const std::string& part) {
    expect_error(ExitCode::cannot_load, part, [&] { parse_json(text, "x.json"); });
    expect_error(ExitCode::cannot_load, "x.json: ", [&] { parse_json(text, "x.json"); });
  };
  refused(R"({"a": 1, "b": {"a": 2, "a": 3}})", "key 'a' appears twice");
  refused(std::string(65, '[') + std::string(65, ']'), "nested deeper than 64");
  refused(R"({"a": NaN})", "parse error");
  refused(R"({"a": 1} x)", "parse error");
  refused("", "parse error");
  refused("\"\xFF\"", "UTF-8");
}

TEST(Json, RefusesATextOverTheLimitBeforeParsing) {
  expect_error(ExitCode::data, "more than the limit of 4",
               [] { parse_json("[1, 2]", "line 3", {.max_bytes = 4}, ExitCode::data); });
}

}  // namespace
}  // namespace fg
