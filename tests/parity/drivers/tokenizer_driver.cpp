// Serves tests/parity/test_tokenizer.py: one tokenizer, batches of requests on standard input,
// answers on standard output, all numbers 32 bits little endian.
//
//   tokenizer_driver FILE.json | FOLDER [--pcre2-only]
//   tokenizer_driver --convert tokenizer.model      prints the tokenizer.json made of it
//
// Requests: 'E' flags count, then each text: size bytes guards (begin end)*
//             flags: 1 special tokens, 2 offsets, 4 two threads
//           'D' flags count, then each: count ids        flags: 1 skip special tokens, 2 streaming
//           'V'                                          size, then each token: size bytes special

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/base/utf8.hpp>
#include <fg/text/sentencepiece.hpp>
#include <fg/text/tokenizer.hpp>

namespace {

using fg::text::ByteSpan;
using fg::text::SpecialTokens;
using fg::text::Tokenizer;

std::uint32_t read_number() {
  std::uint32_t number = 0;
  std::cin.read(reinterpret_cast<char*>(&number), sizeof number);
  return number;
}

std::string read_bytes() {
  std::string bytes(read_number(), '\0');
  std::cin.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

void write_number(std::size_t number) {
  const auto narrow = static_cast<std::uint32_t>(number);
  std::cout.write(reinterpret_cast<const char*>(&narrow), sizeof narrow);
}

void write_bytes(std::string_view bytes) {
  write_number(bytes.size());
  std::cout.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void serve_encode(const Tokenizer& tokenizer) {
  const std::uint32_t flags = read_number(), count = read_number();
  std::vector<std::string> texts(count);
  std::vector<std::vector<ByteSpan>> guards(count);
  bool any_guard = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    texts[i] = read_bytes();
    guards[i].resize(read_number());
    for (ByteSpan& span : guards[i]) {
      span.begin = read_number();
      span.end = read_number();
      any_guard = true;
    }
  }
  fg::text::EncodeOptions options;
  options.add_special_tokens = (flags & 1) != 0;
  options.want_offsets = (flags & 2) != 0;
  std::vector<fg::text::Encoding> encodings;
  if (any_guard) {
    for (std::uint32_t i = 0; i < count; ++i) {
      options.guarded = guards[i];
      encodings.push_back(tokenizer.encode(texts[i], options));
    }
  } else {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    encodings = tokenizer.encode_batch(views, options, (flags & 4) != 0 ? 2 : 1);
  }
  for (const fg::text::Encoding& encoding : encodings) {
    write_number(encoding.ids.size());
    for (const std::int32_t id : encoding.ids) write_number(static_cast<std::size_t>(id));
    if (!options.want_offsets) continue;
    for (const ByteSpan& span : encoding.offsets) {
      write_number(span.begin);
      write_number(span.end);
    }
  }
}

std::string decode_in_steps(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids,
                            SpecialTokens special) {
  fg::text::StreamDecoder decoder(tokenizer, special);
  std::string text;
  const auto take = [&](const std::string& part) {
    if (fg::find_invalid_utf8(part)) fg::fail(fg::ExitCode::bug, "a part is not UTF-8");
    text += part;
  };
  for (const std::int32_t id : ids) take(decoder.push(id));
  take(decoder.finish());
  return text;
}

void serve_decode(const Tokenizer& tokenizer) {
  const std::uint32_t flags = read_number(), count = read_number();
  const SpecialTokens special = (flags & 1) != 0 ? SpecialTokens::skip : SpecialTokens::keep;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::vector<std::int32_t> ids(read_number());
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(read_number());
    write_bytes((flags & 2) != 0 ? decode_in_steps(tokenizer, ids, special)
                                 : tokenizer.decode(ids, special));
  }
}

void serve_vocabulary(const Tokenizer& tokenizer) {
  write_number(tokenizer.vocab_size());
  for (std::size_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const auto narrow = static_cast<std::int32_t>(id);
    const std::string_view token = tokenizer.token_of(narrow).value();
    if (tokenizer.id_of(token) != narrow)
      fg::fail(fg::ExitCode::bug, "id_of is not token_of's inverse");
    write_bytes(token);
    write_number(tokenizer.is_special(narrow) ? 1 : 0);
  }
}

Tokenizer open(const std::string& path, bool pcre2_only) {
  if (std::filesystem::is_directory(path)) return Tokenizer::load(path);
  const std::string text = fg::read_text(path, 64 << 20);
  return pcre2_only ? Tokenizer::from_json_with_pcre2_only(text, path)
                    : Tokenizer::from_json(text, path);
}

int run(int count, char** words) {
  const std::vector<std::string> arguments(words + 1, words + count);
  if (arguments.size() == 2 && arguments[0] == "--convert") {
    std::cout << fg::text::tokenizer_json_from_sentencepiece(fg::read_text(arguments[1], 64 << 20),
                                                             arguments[1]);
    return 0;
  }
  const Tokenizer tokenizer =
      open(arguments.at(0), arguments.size() > 1 && arguments[1] == "--pcre2-only");
  for (char request = 0; std::cin.get(request);) {
    if (request == 'E') serve_encode(tokenizer);
    if (request == 'D') serve_decode(tokenizer);
    if (request == 'V') serve_vocabulary(tokenizer);
    std::cout.flush();
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  std::ios::sync_with_stdio(false);
  try {
    return run(count, words);
  } catch (const fg::Error& error) {
    std::cerr << error.what() << '\n';
    return static_cast<int>(error.code());
  }
}
