#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>
#include <fg/text/chat_template.hpp>

#include "render.hpp"

namespace fg::text {
namespace {

const std::string chatml =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ "
    "'<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' "
    "}}{% endif %}";

ChatInput conversation() {
  ChatInput input;
  input.messages = Json::parse(
      R"([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}])");
  return input;
}

TEST(ChatTemplate, RendersChatmlExactly) {
  ChatInput input = conversation();
  input.add_generation_prompt = true;

  const Rendered rendered = ChatTemplate::parse(chatml, "chatml").render(input);

  EXPECT_EQ(rendered.text,
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes<|im_end|>\n<|im_start|>"
            "assistant\n");
}

TEST(ChatTemplate, MarksWhatComesFromMessages) {
  const Rendered rendered = ChatTemplate::parse(chatml, "chatml").render(conversation());

  EXPECT_EQ(test::parts(rendered.text, rendered.from_input),
            (std::vector<std::string>{"user", "Hi", "assistant", "Yes"}));
  EXPECT_TRUE(rendered.generation.empty());
}

TEST(ChatTemplate, TellsTheAssistantsMessagesApart) {
  ChatInput input;
  input.messages = Json::parse(
      R"([{"role": "assistant", "content": " a "}, {"role": "assistant", "content": "b"},
          {"role": "user", "content": "assistant"}, {"role": "assistant", "content": "c",
          "thought": "t"}, {"role": "cat", "content": "d"}])");
  const Rendered rendered =
      ChatTemplate::parse(
          "{% for m in messages %}<{{ m.role }}>{{ m.thought ~ '=' if m.thought }}"
          "{{ m.content | trim | upper }}{% endfor %}{{ messages[0].content }}",
          "t")
          .render(input);

  EXPECT_EQ(test::parts(rendered.text, rendered.from_assistant),
            (std::vector<std::string>{"A", "B", "t=C", " a "}));
}

TEST(ChatTemplate, KnowsWhetherItMarksGeneration) {
  const auto has = [](const std::string& source) {
    return ChatTemplate::parse(source, "t").has_generation();
  };
  EXPECT_FALSE(has("{{ '{% generation %}' }}"));
  EXPECT_TRUE(has("{% generation %}{% endgeneration %}"));
  EXPECT_TRUE(
      has("{% for m in [] %}{% if 1 %}{% elif 2 %}{%- generation %}x{% endgeneration %}"
          "{% endif %}{% endfor %}"));
  EXPECT_TRUE(has("{% for m in [] %}{% else %}{% generation %}{% endgeneration %}{% endfor %}"));
}

TEST(ChatTemplate, MarksGenerationInBytes) {
  const Rendered rendered =
      ChatTemplate::parse("é{% generation %}世{{ messages[1].content }}{% endgeneration %}z", "t")
          .render(conversation());

  EXPECT_EQ(rendered.text, "é世Yesz");
  EXPECT_EQ(rendered.generation, (std::vector<ByteSpan>{{2, 8}}));
  EXPECT_EQ(rendered.from_input, (std::vector<ByteSpan>{{5, 8}}));
}

TEST(ChatTemplate, FindsGenerationThatPassesThroughAMacro) {
  const Rendered rendered =
      ChatTemplate::parse(
          "{% macro m() %}a{% generation %}b{% endgeneration %}c{% endmacro %}xx{{ m() }}", "t")
          .render({});

  EXPECT_EQ(rendered.text, "xxabc");
  EXPECT_EQ(rendered.generation, (std::vector<ByteSpan>{{3, 4}}));
}

TEST(ChatTemplate, DefinesAbsentToolsAndDocumentsAsNone) {
  const Rendered rendered =
      ChatTemplate::parse("{{ tools }} {{ documents is defined }}", "t").render({});

  EXPECT_EQ(rendered.text, "None True");
}

TEST(ChatTemplate, GivesSpecialTokensAsTheTemplatesOwn) {
  ChatInput input = conversation();
  input.special_tokens = {{"bos_token", "<s>"}};

  const Rendered rendered =
      ChatTemplate::parse("{{ bos_token + messages[0].content }}", "t").render(input);

  EXPECT_EQ(rendered.text, "<s>Hi");
  EXPECT_EQ(rendered.from_input, (std::vector<ByteSpan>{{3, 5}}));
}

TEST(ChatTemplate, CountsExtraStringsAsInput) {
  ChatInput input;
  input.extra = {{"date", "today"}, {"flag", true}};

  const Rendered rendered =
      ChatTemplate::parse("{% if flag %}[{{ date }}]{% endif %}", "t").render(input);

  EXPECT_EQ(rendered.from_input, (std::vector<ByteSpan>{{1, 6}}));
}

TEST(ChatTemplate, TakesTheTimeFromItsClock) {
  auto chat_template = ChatTemplate::parse("{{ strftime_now('%Y %f %z%%') }}", "t");
  chat_template.set_clock([] {
    return std::chrono::system_clock::time_point(std::chrono::seconds(1'750'000'000) +
                                                 std::chrono::microseconds(42));
  });

  EXPECT_EQ(chat_template.render({}).text, "2025 000042 %");
}

TEST(ChatTemplate, RendersFromSeveralThreads) {
  const auto chat_template = ChatTemplate::parse(chatml, "chatml");
  std::vector<std::string> texts(4);
  std::vector<std::thread> threads;
  for (std::string& text : texts)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) text = chat_template.render(conversation()).text;
    });
  for (std::thread& thread : threads) thread.join();

  for (const std::string& text : texts) EXPECT_EQ(text, texts[0]);
}

TEST(ChatTemplate, SaysWhereTheSyntaxIsWrong) {
  try {
    ChatTemplate::parse("a\n{{ b\n  c }}", "m/chat_template.jinja");
    FAIL() << "no error";
  } catch (const TemplateError& error) {
    EXPECT_EQ(error.code(), ExitCode::cannot_load);
    EXPECT_EQ(error.line(), 3);
    EXPECT_EQ(error.column(), 3);
    EXPECT_EQ(std::string(error.what()).rfind("m/chat_template.jinja:3:3: ", 0), 0U)
        << error.what();
  }
}

TEST(ChatTemplate, SaysWhereItRefusesToRender) {
  try {
    ChatTemplate::parse("{% if true %}\n  {{ raise_exception('roles must alternate') }}{% endif %}",
                        "t")
        .render({});
    FAIL() << "no error";
  } catch (const TemplateError& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    EXPECT_EQ(error.line(), 2);
    EXPECT_EQ(std::string(error.what()), "t:2:21: roles must alternate");
  }
}

TEST(ChatTemplate, RefusesInputThatIsNoText) {
  ChatInput input;
  input.messages = Json::array({Json{{"content", "\xFF"}}});

  test::expect_error(ExitCode::data, "not UTF-8",
                     [&] { ChatTemplate::parse("a", "t").render(input); });
}

TEST(ChatTemplate, RefusesSourcesThatAreNoText) {
  test::expect_error(ExitCode::cannot_load, "not valid UTF-8",
                     [] { ChatTemplate::parse("a\xC0", "t"); });
  test::expect_error(ExitCode::cannot_load, "at most",
                     [] { ChatTemplate::parse(std::string(1 << 20, 'a'), "t"); });
}

}  // namespace
}  // namespace fg::text
