#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>
#include <fg/text/chat_template.hpp>

namespace fg::text {
namespace {

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

TEST(ChatTemplateFolder, HasNoneWhereThereIsNone) {
  const test::TemporaryFolder folder;
  EXPECT_FALSE(load_chat_template(folder.path(), false));
  write(folder / "tokenizer_config.json", "{\"eos_token\": \"x\"}");
  EXPECT_FALSE(load_chat_template(folder.path(), false));
}

TEST(ChatTemplateFolder, PrefersTheFileToTheConfiguration) {
  const test::TemporaryFolder folder;
  write(folder / "tokenizer_config.json", "{\"chat_template\": \"from config\"}");
  EXPECT_EQ(load_chat_template(folder.path(), false)->source(), "from config");
  write(folder / "chat_template.jinja", "from file");
  EXPECT_EQ(load_chat_template(folder.path(), false)->source(), "from file");
}

TEST(ChatTemplateFolder, TakesTheNamedOneForTools) {
  const test::TemporaryFolder folder;
  write(
      folder / "tokenizer_config.json",
      R"({"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "t"}]})");
  EXPECT_EQ(load_chat_template(folder.path(), false)->source(), "d");
  EXPECT_EQ(load_chat_template(folder.path(), true)->source(), "t");
  write(folder / "chat_template.jinja", "file");
  EXPECT_EQ(load_chat_template(folder.path(), true)->source(), "file");
  write(folder / "additional_chat_templates/tool_use.jinja", "more");
  EXPECT_EQ(load_chat_template(folder.path(), true)->source(), "more");
  EXPECT_EQ(load_chat_template(folder.path(), false)->source(), "file");
}

TEST(ChatTemplateFolder, RefusesWhatItCannotUnderstand) {
  const test::TemporaryFolder folder;
  write(folder / "tokenizer_config.json",
        R"({"chat_template": [{"name": "rag", "template": "d"}]})");
  test::expect_error(ExitCode::cannot_load, "none named \"default\"",
                     [&] { load_chat_template(folder.path(), false); });
  write(folder / "tokenizer_config.json", R"({"chat_template": 5})");
  test::expect_error(ExitCode::cannot_load, "must be a string",
                     [&] { load_chat_template(folder.path(), false); });
  write(folder / "chat_template.jinja", "{% if %}");
  test::expect_error(ExitCode::cannot_load, "chat_template.jinja:1:7",
                     [&] { load_chat_template(folder.path(), false); });
}

}  // namespace
}  // namespace fg::text
