// Any bytes as text for tokenizers of every dress. The first bytes choose tokenizer and guard.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fg/base/utf8.hpp>
#include <fg/text/tokenizer.hpp>

#include "../unit/text/tiny_tokenizer.hpp"

namespace {

using fg::Json;
using fg::text::ByteSpan;
using fg::text::Tokenizer;

void require(bool condition) {
  if (!condition) __builtin_trap();
}

std::vector<Tokenizer> make_tokenizers() {
  Json normalized = fg::test::tiny_byte_level();
  normalized["normalizer"] = Json::parse(
      R"({"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"String":"  "},"content":""}]})");
  fg::test::add_token(normalized, "fi");
  normalized["added_tokens"][1]["normalized"] = true;
  normalized["added_tokens"][1]["lstrip"] = true;
  normalized["added_tokens"][1]["rstrip"] = true;
  Json words = fg::test::tiny_llama();
  words["pre_tokenizer"]["split"] = true;
  words["pre_tokenizer"]["prepend_scheme"] = "first";
  words["normalizer"] = {{"type", "NFD"}};
  Json split = fg::test::tiny_byte_level();
  split["pre_tokenizer"] = Json::parse(
      R"x({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\s+(?!\\S)|\\p{N}{1,3}"},)x"
      R"x("behavior":"MergedWithNext","invert":true},{"type":"Digits","individual_digits":true},)x"
      R"x({"type":"ByteLevel","add_prefix_space":true,"use_regex":true}]})x");
  std::vector<Tokenizer> made;
  for (const Json& document :
       {fg::test::tiny_llama(), fg::test::tiny_byte_level(), normalized, words, split,
        fg::test::tiny_tokenizer({"a", "b", "ab", "\xC3\xA9"}, {{"a", "b"}})})
    made.push_back(Tokenizer::from_json(document.dump(), "fuzz"));
  return made;
}

void check_stream(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  fg::text::StreamDecoder decoder(tokenizer, fg::text::SpecialTokens::keep);
  std::string joined;
  for (const std::int32_t id : ids) {
    const std::string part = decoder.push(id);
    require(!fg::find_invalid_utf8(part));
    joined += part;
  }
  joined += decoder.finish();
  require(joined == tokenizer.decode(ids, fg::text::SpecialTokens::keep));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Tokenizer> tokenizers = make_tokenizers();
  if (size < 3) return 0;
  const Tokenizer& tokenizer = tokenizers[data[0] % tokenizers.size()];
  const std::string_view text(reinterpret_cast<const char*>(data + 3), size - 3);
  const std::size_t begin = data[1] % (text.size() + 1);
  const std::vector<ByteSpan> guarded = {{begin, begin + data[2] % (text.size() - begin + 1)}};

  const auto plain = tokenizer.encode(text, {.want_offsets = true});
  require(plain.ids == tokenizer.encode(text).ids);
  require(plain.ids.size() == plain.offsets.size());
  for (const ByteSpan& span : plain.offsets)
    require(span.begin <= span.end && span.end <= text.size());
  check_stream(tokenizer, plain.ids);

  if (guarded[0].begin == guarded[0].end) return 0;
  const auto safe = tokenizer.encode(text, {.want_offsets = true, .guarded = guarded});
  for (std::size_t i = 0; i < safe.ids.size(); ++i) {
    const bool overlaps =
        safe.offsets[i].begin < guarded[0].end && guarded[0].begin < safe.offsets[i].end;
    const bool is_unknown = tokenizer.token_of(safe.ids[i]) == "<unk>";
    // Blanks that a token eats beside itself may be guarded, so the one that eats is left out.
    const bool eats = tokenizer.token_of(safe.ids[i]) == "fi";
    require(!overlaps || is_unknown || eats || !tokenizer.is_special(safe.ids[i]));
  }
  return 0;
}
