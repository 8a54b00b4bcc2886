#include <gtest/gtest.h>

#include <fg/data/records.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::data {
namespace {

using Found = std::vector<std::pair<std::string, std::size_t>>;

/// Each record's text and line.
Found find(const std::string& content, Container container) {
  Found found;
  for (const RecordPlace& place : find_records(content, container, "f"))
    found.emplace_back(content.substr(place.begin, place.end - place.begin), place.line);
  return found;
}

TEST(FindRecords, DividesAJsonList) {
  EXPECT_EQ(find("[ {\"a\": [1, 2]},\n\n{\"b\": \"]},\\\"\"} , 7, \"x\"]\n", Container::json),
            (Found{{"{\"a\": [1, 2]}", 1}, {"{\"b\": \"]},\\\"\"}", 3}, {"7", 3}, {"\"x\"", 3}}));
  EXPECT_EQ(find(" [ ] ", Container::json), Found{});
  EXPECT_EQ(find("", Container::json), Found{});
}

TEST(FindRecords, DividesJsonValuesBehindEachOther) {
  EXPECT_EQ(find("{\"a\":\n1}\n{\"b\": 2}{}", Container::json),
            (Found{{"{\"a\":\n1}", 1}, {"{\"b\": 2}", 3}, {"{}", 3}}));
}

TEST(FindRecords, DividesLinesAndPassesOverEmptyOnes) {
  EXPECT_EQ(find("{}\n\n \t\r\n[1]\nx", Container::json_lines),
            (Found{{"{}", 1}, {"[1]", 4}, {"x", 5}}));
}

TEST(FindRecords, DividesParagraphs) {
  EXPECT_EQ(find("\n\na\nb\r\n \n\n\nc\r\n", Container::plain), (Found{{"a\nb", 3}, {"c", 8}}));
}

TEST(FindRecords, PassesOverAByteOrderMark) {
  EXPECT_EQ(find("\xEF\xBB\xBF{}\n{}", Container::json_lines), (Found{{"{}", 1}, {"{}", 2}}));
  EXPECT_EQ(find("\xEF\xBB\xBF[{}]", Container::json), (Found{{"{}", 1}}));
}

TEST(FindRecords, NamesWhereAListIsNone) {
  const auto refused = [](const std::string& content, const std::string& part) {
    test::expect_error(ExitCode::data, part,
                       [&] { find_records(content, Container::json, "f.json"); });
  };
  refused("\n[{}", "f.json: line 2: the list that begins here is not closed");
  refused("[{},\n{\"a\": 1", "f.json: line 2: record 2 begins here and is not closed");
  refused("[{},\n{\"a\": \"", "line 2: record 2 begins here and holds a text that does not end");
  refused("[{}\n{}]", "line 2: expected ',' or ']' behind record 1");
  refused("[{}]\n\nx", "line 3: there is something behind the list");
  refused("[{},]", "expected record 2");
  refused("[,]", "expected record 1");
  refused("]", "expected record 1");
  refused("[\"\\", "does not end");
}

TEST(FindRecords, TellsTheContainerByTheName) {
  EXPECT_EQ(container_of("a/b.json"), Container::json);
  EXPECT_EQ(container_of("b.json.gz"), Container::json);
  EXPECT_EQ(container_of("b.jsonl"), Container::json_lines);
  EXPECT_EQ(container_of("b.ndjson.gz"), Container::json_lines);
  EXPECT_EQ(container_of("b.txt"), Container::plain);
  test::expect_error(ExitCode::data, "x.csv", [] { container_of("x.csv"); });
  test::expect_error(ExitCode::data, "gz", [] { container_of("gz"); });
}

}  // namespace
}  // namespace fg::data
