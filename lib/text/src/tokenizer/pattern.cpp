#define PCRE2_CODE_UNIT_WIDTH 8

#include "tokenizer/pattern.hpp"

#include <array>

#include <pcre2.h>

#include <fg/base/error.hpp>
#include <fg/base/owned.hpp>
#include <fg/base/utf8.hpp>

#include "tokenizer/unicode.hpp"
#include "tokenizer/utf8_scan.hpp"

namespace fg::text::tok {
namespace {

constexpr std::size_t max_expression_bytes = 16 * 1024;
constexpr std::uint32_t max_steps = 10'000'000;  // of one match
constexpr std::uint32_t max_depth = 1'000'000;
constexpr std::uint32_t max_heap_kib = 64 * 1024;
constexpr std::size_t jit_stack_bytes = 1024 * 1024;

using CodeHandle = Owned<pcre2_code*, pcre2_code_free, nullptr>;
using MatchData = Owned<pcre2_match_data*, pcre2_match_data_free, nullptr>;
using MatchContext = Owned<pcre2_match_context*, pcre2_match_context_free, nullptr>;
using CompileContext = Owned<pcre2_compile_context*, pcre2_compile_context_free, nullptr>;
using JitStack = Owned<pcre2_jit_stack*, pcre2_jit_stack_free, nullptr>;

/// Takes what a pcre2_..._create function gave, which is null when memory is short.
template <typename Handle, typename Pointer>
Handle take(Pointer pointer) {
  if (pointer == nullptr) throw std::bad_alloc();
  return Handle(pointer);
}

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

/// `text` with every code point that PCRE2 may class differently replaced by its twin; offsets
/// stay. The text itself if there is none.
std::string_view with_known_twins(std::string_view text, std::string& storage) {
  bool differs = false;
  for (std::size_t at = 0, length = 0; at < text.size(); at += length) {
    const char32_t point = scan_utf8(text, at, length);
    if (point < 0x800) continue;
    const char32_t twin = known_twin(point);
    if (twin == point) continue;
    if (!differs) storage.assign(text);
    differs = true;
    std::string encoded;
    append_utf8(encoded, twin);
    storage.replace(at, length, encoded);
  }
  return differs ? std::string_view(storage) : text;
}

}  // namespace

struct PatternScratch::Handles {
  MatchData data;
  MatchContext context;
  JitStack stack;
};

PatternScratch::PatternScratch() : handles_(std::make_unique<Handles>()) {
  handles_->data = take<MatchData>(pcre2_match_data_create(1, nullptr));
  handles_->context = take<MatchContext>(pcre2_match_context_create(nullptr));
  handles_->stack = take<JitStack>(pcre2_jit_stack_create(32 * 1024, jit_stack_bytes, nullptr));
  pcre2_match_context* context = handles_->context.get();
  pcre2_set_match_limit(context, max_steps);
  pcre2_set_depth_limit(context, max_depth);
  pcre2_set_heap_limit(context, max_heap_kib);
  pcre2_jit_stack_assign(context, nullptr, handles_->stack.get());
}
PatternScratch::PatternScratch(PatternScratch&&) noexcept = default;
PatternScratch::~PatternScratch() = default;

struct Pattern::Code {
  CodeHandle handle;
};

Pattern::Pattern(const std::string& expression, const std::string& where)
    : code_(std::make_unique<Code>()), where_(where) {
  if (expression.size() > max_expression_bytes)
    fail(ExitCode::cannot_load, where + ": the regular expression is longer than 16 KiB");
  const std::string translated = translate_expression(expression, where);
  const auto context = take<CompileContext>(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_->handle = CodeHandle(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset, context.get()));
  if (code_->handle.empty())
    fail(ExitCode::cannot_load,
         where + ": bad regular expression '" + expression + "': " + message_of(error));
  std::uint32_t matches_empty = 0;
  pcre2_pattern_info(code_->handle.get(), PCRE2_INFO_MATCHEMPTY, &matches_empty);
  if (matches_empty != 0)
    fail(ExitCode::cannot_load, where + ": the regular expression '" + expression +
                                    "' matches the empty text, which is not supported");
  // Without the just-in-time compiler (a build of PCRE2 may lack it) the interpreter does the same.
  pcre2_jit_compile(code_->handle.get(), PCRE2_JIT_COMPLETE);
}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

void Pattern::find_all(std::string_view text, PatternScratch& scratch,
                       std::vector<Range>& matches) const {
  const std::string_view subject = with_known_twins(text, scratch.substitute_);
  pcre2_match_data* data = scratch.handles_->data.get();
  const auto match = [&](std::size_t from, std::uint32_t options) {
    return pcre2_match(code_->handle.get(), reinterpret_cast<PCRE2_SPTR>(subject.data()),
                       subject.size(), from, options | PCRE2_NO_UTF_CHECK, data,
                       scratch.handles_->context.get());
  };
  for (std::size_t from = 0; from < subject.size();) {
    int result = match(from, 0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(from, PCRE2_NO_JIT);
    if (result == PCRE2_ERROR_NOMATCH) return;
    if (result < 0)
      fail(ExitCode::data, where_ + ": the regular expression takes too long on a text of " +
                               std::to_string(text.size()) + " bytes: " + message_of(result));
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
    FG_CHECK(ends[0] >= from && ends[1] > ends[0]);
    matches.push_back({static_cast<std::uint32_t>(ends[0]), static_cast<std::uint32_t>(ends[1])});
    from = ends[1];
  }
}

}  // namespace fg::text::tok
