#include <gtest/gtest.h>

#include <fg/config/yaml.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::config {
namespace {

using test::expect_error;

TEST(Yaml, KeepsOrderPlacesAndQuotes) {
  const Node root = parse_yaml("b: 1\n# comment\na:\n  - x\n  - \"true\"\n  - ~\n", "f.yaml");

  ASSERT_EQ(root.members.size(), 2u);
  EXPECT_EQ(root.members[0].key, "b");
  EXPECT_EQ(root.members[1].line, 3);
  const Node& list = *root.find("a");
  ASSERT_EQ(list.items.size(), 3u);
  EXPECT_EQ(list.items[0].line, 4);
  EXPECT_FALSE(list.items[0].quoted);
  EXPECT_TRUE(list.items[1].quoted);
  EXPECT_EQ(list.items[2].kind, Node::Kind::null);
}

TEST(Yaml, ReadsAnEmptyFileAsNull) {
  EXPECT_EQ(parse_yaml("", "f.yaml").kind, Node::Kind::null);
  EXPECT_EQ(parse_yaml("# nothing\n", "f.yaml").kind, Node::Kind::null);
}

TEST(Yaml, RefusesWithFileAndLine) {
  const auto refused = [](const std::string& text, const std::string& part) {
    expect_error(ExitCode::usage, part, [&] { parse_yaml(text, "f.yaml"); });
  };
  refused("a: 1\nb: 2\na: 3\n", "f.yaml:3: key 'a' stands twice (first on line 1)");
  refused("a: 1\n\tb: 2\n", "f.yaml:2: ");
  refused("a: &x 1\n", "f.yaml:1: anchors");
  refused("a: *x\n", "f.yaml:1: ");
  refused("a: !!python/object:os.system 1\n", "f.yaml:1: tags");
  refused("---\na: 1\n---\nb: 1\n", "more than one YAML document");
  refused("? [a, b]\n: 1\n", "f.yaml:1: a key must be a plain word");
  refused(std::string(100, '[') + std::string(100, ']'), "nested deeper than 64");
}

TEST(Yaml, RefusesAMissingFileAsUsage) {
  expect_error(ExitCode::usage, "no/such.yaml", [] { read_yaml("no/such.yaml"); });
}

TEST(Mistakes, NamesAllAtOnceWithTheNearestKey) {
  const Node root = parse_yaml("eos_tokn: x\npad_token: y\ncolour: z\n", "f.yaml");
  Mistakes mistakes("f.yaml");
  mistakes.add_unknown_keys(root, {"eos_token", "pad_token"});

  expect_error(ExitCode::usage,
               "f.yaml:1: unknown key 'eos_tokn'; did you mean 'eos_token'?\n"
               "f.yaml:3: unknown key 'colour'",
               [&] { mistakes.throw_if_any(); });
}

}  // namespace
}  // namespace fg::config
