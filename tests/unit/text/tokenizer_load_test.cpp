#include <functional>
#include <string>

#include <gtest/gtest.h>

#include <fg/base/file.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>
#include <fg/text/tokenizer.hpp>

#include "tiny_tokenizer.hpp"

namespace fg::text {
namespace {

using test::expect_error;

/// Loading tiny_llama with `change` made must fail with a message that holds `part`.
void expect_refused(const std::string& part, const std::function<void(Json&)>& change) {
  Json document = test::tiny_llama();
  change(document);
  expect_error(ExitCode::cannot_load, part,
               [&] { Tokenizer::from_json(document.dump(), "t.json"); });
}

void expect_text_refused(const std::string& part, const std::string& text) {
  expect_error(ExitCode::cannot_load, part, [&] { Tokenizer::from_json(text, "t.json"); });
}

Json sequence_of(const char* list, Json part) {
  return {{"type", "Sequence"}, {list, Json::array({std::move(part)})}};
}

TEST(TokenizerLoad, RefusesFilesThatAreCutAtAnyPlace) {
  const std::string whole = test::tiny_llama().dump();

  for (std::size_t size = 0; size < whole.size(); size += 97)
    expect_text_refused("t.json: ", whole.substr(0, size));
}

TEST(TokenizerLoad, RefusesWhatIsNoTokenizer) {
  expect_text_refused("expected an object", "[]");
  expect_text_refused("key 'model' is missing", "{}");
  expect_text_refused("appears twice", R"({"version":"1.0","version":"1.0"})");
  expect_text_refused("nested deeper", std::string(1000, '['));
  expect_text_refused("nested deeper", R"({"model":{"vocab":)" + std::string(1000, '['));
  expect_text_refused("not supported", R"({"other":1})");
  expect_text_refused("64 MiB", std::string((64 << 20) + 1, ' '));
}

TEST(TokenizerLoad, NamesTheModelItDoesNotSupport) {
  expect_refused("model.type: model 'Unigram' is not supported", [](Json& d) {
    d["model"] = Json::parse(R"({"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["a",-1.5]]})");
  });
  expect_refused("model.type: model 'WordPiece'",
                 [](Json& d) { d["model"]["type"] = "WordPiece"; });
  expect_refused("expected a BPE model", [](Json& d) { d["model"].erase("merges"); });
}

TEST(TokenizerLoad, RefusesWrongTypesWithThePlace) {
  expect_refused("model.vocab: 'a' has no integer id",
                 [](Json& d) { d["model"]["vocab"]["a"] = "x"; });
  expect_refused("model.vocab: 'a' has no integer id",
                 [](Json& d) { d["model"]["vocab"]["a"] = -1; });
  expect_refused("model.vocab: 'a' has no integer id",
                 [](Json& d) { d["model"]["vocab"]["a"] = {1}; });
  expect_refused("model.merges[8]: expected two",
                 [](Json& d) { d["model"]["merges"].push_back(3); });
  expect_refused("model.merges[8]: expected two",
                 [](Json& d) { d["model"]["merges"].push_back({"a"}); });
  expect_refused("model.merges[8]: more than two", [](Json& d) {
    d["model"]["merges"].push_back({"a", "b", "c"});
  });
  expect_refused("model.merges[8]: expected two pieces with one blank",
                 [](Json& d) { d["model"]["merges"].push_back("a b c"); });
  expect_refused("model.fuse_unk: expected true or false",
                 [](Json& d) { d["model"]["fuse_unk"] = 1; });
  expect_refused("added_tokens[0].special: expected",
                 [](Json& d) { d["added_tokens"][0]["special"] = 0; });
  expect_refused("added_tokens[1]: key 'lstrip' is missing",
                 [](Json& d) { d["added_tokens"][1].erase("lstrip"); });
  expect_refused("version: version '2.0'", [](Json& d) { d["version"] = "2.0"; });
}

TEST(TokenizerLoad, RefusesIdsWithHolesDoublesOrBeyondTheVocabulary) {
  expect_refused("model.vocab: id 999", [](Json& d) { d["model"]["vocab"]["a"] = 999; });
  expect_refused("too large", [](Json& d) { d["model"]["vocab"]["a"] = 4294967296; });
  expect_refused("is also that of", [](Json& d) { d["model"]["vocab"]["a"] = 7; });
  expect_refused("added_tokens[3].id: '<x>' has id 999", [](Json& d) {
    test::add_token(d, "<x>");
    d["added_tokens"][3]["id"] = 999;
  });
  expect_refused("'<s>' comes twice", [](Json& d) { test::add_token(d, "<s>"); });
}

TEST(TokenizerLoad, RefusesAPieceThatComesTwice) {
  std::string text = test::tiny_llama().dump();
  const std::size_t at = text.find("\"ab\":");
  text.replace(at, 5, "\"cd\":");

  expect_text_refused("'cd' comes twice", text);
}

TEST(TokenizerLoad, RefusesMergesOfUnknownPieces) {
  expect_refused("model.merges[8]: 'x' is not in model.vocab", [](Json& d) {
    d["model"]["merges"].push_back({"x", "a"});
  });
  expect_refused("model.merges[8]: 'ea' is not in model.vocab", [](Json& d) {
    d["model"]["merges"].push_back({"e", "a"});
  });
}

TEST(TokenizerLoad, NamesEveryPartItDoesNotSupport) {
  expect_refused("normalizer.normalizers[0]: normalizer 'Lowercase'", [](Json& d) {
    d["normalizer"] = sequence_of("normalizers", {{"type", "Lowercase"}});
  });
  expect_refused("pre_tokenizer.pretokenizers[0]: pre-tokenizer 'Whitespace'", [](Json& d) {
    d["pre_tokenizer"] = sequence_of("pretokenizers", {{"type", "Whitespace"}});
  });
  expect_refused("decoder.decoders[0]: decoder 'CTC'", [](Json& d) {
    d["decoder"] = sequence_of("decoders", {{"type", "CTC"}});
  });
  expect_refused("post_processor.processors[0]: post-processor 'BertProcessing'", [](Json& d) {
    d["post_processor"] = sequence_of("processors", {{"type", "BertProcessing"}});
  });
  expect_refused("model.dropout: dropout", [](Json& d) { d["model"]["dropout"] = 0.1; });
  expect_refused("continuing_subword_prefix: only an empty one",
                 [](Json& d) { d["model"]["continuing_subword_prefix"] = "##"; });
  expect_refused("end_of_word_suffix: only an empty one",
                 [](Json& d) { d["model"]["end_of_word_suffix"] = "</w>"; });
  expect_refused("truncation: truncation", [](Json& d) { d["truncation"] = Json::object(); });
  expect_refused("padding: padding", [](Json& d) { d["padding"] = Json::object(); });
  expect_refused("prepend_scheme: prepend scheme 'last'",
                 [](Json& d) { d["pre_tokenizer"]["prepend_scheme"] = "last"; });
  expect_refused("behind ByteLevel", [](Json& d) {
    d["pre_tokenizer"] = Json::parse(
        R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":false},)"
        R"({"type":"Digits","individual_digits":true}]})");
  });
  expect_refused("model.unk_token: '<none>'", [](Json& d) { d["model"]["unk_token"] = "<none>"; });
  expect_refused("key 'surprise' is not supported",
                 [](Json& d) { d["pre_tokenizer"]["surprise"] = 1; });
}

TEST(TokenizerLoad, AcceptsTheHarmlessFormsOfWhatItRefuses) {
  Json document = test::tiny_llama();
  document["model"]["dropout"] = 0.0;
  document["model"]["continuing_subword_prefix"] = "";
  document["model"]["end_of_word_suffix"] = "";
  Json spelled = Json::array();
  for (const Json& pair : document["model"]["merges"])
    spelled.push_back(pair[0].get<std::string>() + " " + pair[1].get<std::string>());
  document["model"]["merges"] = spelled;

  const Tokenizer changed = Tokenizer::from_json(document.dump(), "t.json");

  const Tokenizer plain = Tokenizer::from_json(test::tiny_llama().dump(), "t.json");
  EXPECT_EQ(changed.encode("ab abc").ids, plain.encode("ab abc").ids);
}

TEST(TokenizerLoad, RefusesPostProcessorIdsBeyondTheVocabulary) {
  expect_refused("special_tokens.<s>.ids[0]: id 100000 is beyond", [](Json& d) {
    d["post_processor"] = Json::parse(
        R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}}],"pair":[],)"
        R"("special_tokens":{"<s>":{"id":"<s>","ids":[100000],"tokens":["<s>"]}}})");
  });
}

TEST(TokenizerLoad, RefusesHugeAddedTokens) {
  expect_refused("content of 2000 bytes",
                 [](Json& d) { test::add_token(d, std::string(2000, 'x')); });
  expect_refused("content is empty", [](Json& d) { test::add_token(d, ""); });
}

TEST(TokenizerLoad, ReadsTheFolder) {
  const test::TemporaryFolder folder;
  expect_error(ExitCode::cannot_load, "neither tokenizer.json nor tokenizer.model",
               [&] { Tokenizer::load(folder.path()); });
  write_synced(folder / "tokenizer.model", "IQ== 0\nIg== 1\n");
  expect_error(ExitCode::cannot_load, "tiktoken", [&] { Tokenizer::load(folder.path()); });
  write_synced(folder / "tokenizer.json", test::tiny_llama().dump());

  EXPECT_EQ(Tokenizer::load(folder.path()).vocab_size(),
            test::tiny_llama()["model"]["vocab"].size());
}

}  // namespace
}  // namespace fg::text
