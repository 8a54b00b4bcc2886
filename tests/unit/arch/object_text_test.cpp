#include "object_text.hpp"

#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>

namespace fg::arch {
namespace {

TEST(ObjectText, KeepsTheBytesOfWhatDoesNotChange) {
  ObjectText text("{\n  \"a\": 1e30,\n  \"b\" : [1,\t2],\n  \"c\": \"\\u00e9\"\n}\n", "f");

  text.set("b", Json::array({3}));
  text.set("d", "x");

  EXPECT_EQ(
      text.text(),
      "{\n  \"a\": 1e30,\n  \"b\" : [\n    3\n  ],\n  \"c\": \"\\u00e9\",\n  \"d\": \"x\"\n}\n");
}

TEST(ObjectText, WritesOnOneLineWhatWasOnOneLine) {
  ObjectText text("{\"a\":{\"x\":\"}\\\"\"},\"b\":2}", "f");

  text.set("a", Json{{"y", 1}});
  text.set("c", nullptr);

  EXPECT_EQ(text.text(), "{\"a\":{\"y\":1},\"b\":2,\"c\":null}");
}

TEST(ObjectText, RemovesFirstMiddleLastAndOnly) {
  const std::string source = "{\"a\": 1, \"b\": 2, \"c\": 3}";
  for (const char* key : {"a", "b", "c"}) {
    ObjectText text(source, "f");
    text.remove(key);
    Json wanted = Json::parse(source);
    wanted.erase(key);
    EXPECT_EQ(Json::parse(text.text()), wanted) << key;
  }
  ObjectText only("{\"a\": 1}", "f");
  only.remove("a");
  EXPECT_EQ(only.text(), "{}");
  only.set("z", 5);
  EXPECT_EQ(Json::parse(only.text()), (Json{{"z", 5}}));
}

TEST(ObjectText, FindsOnlyMembersOfTheTopLevel) {
  const ObjectText text("{\"a\": {\"b\": \"\\\\\"}, \"\\u0063\": [{}, \"]\"]}", "f");

  EXPECT_FALSE(text.has("b"));
  EXPECT_EQ(text.raw("c"), "[{}, \"]\"]");
  EXPECT_EQ(text.value("a"), (Json{{"b", "\\"}}));
}

TEST(ObjectText, RefusesDuplicatesAndOtherValues) {
  test::expect_error(ExitCode::cannot_load, "f: key 'a' appears twice",
                     [] { ObjectText("{\"a\": 1, \"a\": 2}", "f"); });
  test::expect_error(ExitCode::cannot_load, "f: not a JSON object", [] { ObjectText("[]", "f"); });
}

}  // namespace
}  // namespace fg::arch
