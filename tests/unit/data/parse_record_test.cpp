#include <gtest/gtest.h>

#include <fg/data/records.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::data {
namespace {

Record parse(const std::string& record, Format format) {
  return parse_record(record, Container::json_lines, format, "f: line 1 (record 1)");
}

void refuse(const std::string& record, Format format, const std::string& part) {
  test::expect_error(ExitCode::data, part, [&] { parse(record, format); });
}

TEST(ParseRecord, ReadsShareGpt) {
  const Record record = parse(
      R"({"id": 1, "system": "Be kind.", "conversations": [{"from": "human", "value": " Hi \n"},
          {"from": "gpt", "value": "Yes", "weight": 1}, {"from": "observation", "value": ""}]})",
      Format::sharegpt);

  EXPECT_TRUE(record.is_chat);
  EXPECT_EQ(record.chat.messages.dump(),
            R"([{"role":"system","content":"Be kind."},{"role":"user","content":"Hi"},)"
            R"({"role":"assistant","content":"Yes"},{"role":"tool","content":""}])");
}

TEST(ParseRecord, LeavesOpenAiMessagesAsTheyAre) {
  const std::string messages =
      R"([{"role":"user","content":" a "},{"role":"assistant","content":null,"tool_calls":[]},)"
      R"({"role":"tool","content":[{"type":"text","text":"b"}],"name":"f"}])";
  const Record record = parse(
      R"({"messages": )" + messages + R"(, "tools": [{"name": "f"}], "x": 1})", Format::openai);

  EXPECT_EQ(record.chat.messages.dump(), messages);
  EXPECT_EQ(record.chat.tools.dump(), R"([{"name":"f"}])");
  EXPECT_TRUE(record.chat.documents.is_null());
}

TEST(ParseRecord, ReadsAlpaca) {
  const Record record =
      parse(R"({"instruction": "Add.", "input": "1 2", "output": "3", "history": [["a", "b"]]})",
            Format::alpaca);

  EXPECT_EQ(record.chat.messages.dump(),
            R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
            R"({"role":"user","content":"Add.\n\n1 2"},{"role":"assistant","content":"3"}])");
  EXPECT_EQ(parse(R"({"instruction": "Hi", "input": "", "output": ""})", Format::alpaca)
                .chat.messages[0]["content"],
            "Hi");
}

TEST(ParseRecord, ReadsText) {
  EXPECT_EQ(parse(R"({"text": " é\n"})", Format::text).text, " é\n");
  EXPECT_EQ(parse_record("a\nb", Container::plain, Format::automatic, "f").text, "a\nb");
  test::expect_error(ExitCode::data, "not valid UTF-8 at its byte 1",
                     [] { parse_record("a\xFF", Container::plain, Format::text, "f"); });
  test::expect_error(ExitCode::data, "holds plain text, not alpaca",
                     [] { parse_record("a", Container::plain, Format::alpaca, "f"); });
}

TEST(ParseRecord, SaysWhatIsWrongAndWhere) {
  refuse(R"({"conversations": [{"from": "humann", "value": ""}]})", Format::sharegpt,
         "f: line 1 (record 1): turn 1: nobody known is 'humann' in 'from'; wanted is human, gpt, "
         "system or tool; did you mean 'human'?");
  refuse(R"({"conversations": {}})", Format::sharegpt, "'conversations' must be a list");
  refuse(R"({"conversations": [1]})", Format::sharegpt, "turn 1: expected {\"from\", \"value\"}");
  refuse(R"({"conversations": [{"from": "gpt"}]})", Format::sharegpt, "'value' is missing");
  refuse(R"({"messages": [{"content": "a"}]})", Format::openai, "message 1: the key 'role'");
  refuse(R"({"messages": [{"role": "user"}]})", Format::openai, "the key 'content' is missing");
  refuse(R"({"messages": [{"role": "user", "content": 5}]})", Format::openai, "must be a text");
  refuse(R"({"messages": [], "tools": "f"})", Format::openai, "'tools' must be a list");
  refuse(R"({"output": "a"})", Format::alpaca, "the key 'instruction' is missing");
  refuse(R"({"instruction": "a", "output": 1})", Format::alpaca, "'output' must be a text");
  refuse(R"({"instruction": "a", "output": "", "history": [["a"]]})", Format::alpaca, "pairs");
  refuse(R"({"txt": "a"})", Format::text, "the key 'text' is missing");
  refuse("[]", Format::text, "expected a JSON object");
  refuse(R"({"text": "a", "text": "b"})", Format::text, "appears twice");
  refuse("{\"text\": \"\xFF\"}", Format::text, "f: line 1");
}

TEST(ParseRecord, DetectsTheFormatByItsKeys) {
  const auto detect = [](const std::string& record) {
    return detect_format(record, Container::json, "f");
  };
  EXPECT_EQ(detect(R"({"id": 1, "conversations": []})"), Format::sharegpt);
  EXPECT_EQ(detect(R"({"messages": []})"), Format::openai);
  EXPECT_EQ(detect(R"({"instruction": ""})"), Format::alpaca);
  EXPECT_EQ(detect(R"({"text": ""})"), Format::text);
  EXPECT_EQ(detect_format("x", Container::plain, "f"), Format::text);
  test::expect_error(ExitCode::data, "f: of no known format: it has the keys a, b; wanted is",
                     [&] { detect(R"({"a": 1, "b": 2})"); });
}

TEST(ParseOptions, KnowsTheWordsOfTheConfiguration) {
  EXPECT_EQ(parse_format("auto", "x"), Format::automatic);
  EXPECT_EQ(parse_format("text", "x"), Format::text);
  EXPECT_EQ(parse_train_on("assistant", "x"), TrainOn::assistant);
  EXPECT_EQ(parse_too_long("split", "x"), TooLong::split);
  EXPECT_EQ(name_of(Format::alpaca), "alpaca");
  test::expect_error(ExitCode::usage,
                     "data.train_on: 'asistant' is none of all or assistant; did you mean "
                     "'assistant'?",
                     [] { parse_train_on("asistant", "data.train_on"); });
}

}  // namespace
}  // namespace fg::data
