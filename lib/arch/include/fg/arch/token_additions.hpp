#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fg/arch/generation_config.hpp>
#include <fg/arch/model_config.hpp>

namespace fg::arch {

/// How a new row of embedding and head begins.
struct RowInit {
  enum class Kind : std::uint8_t { mean, zero, copy_id, copy_token };
  Kind kind = Kind::mean;
  std::int64_t id = 0;  // copy_id
  std::string token;    // copy_token

  friend bool operator==(const RowInit&, const RowInit&) = default;
};

/// "mean", "zero", "copy:17" (an id) or "copy:</s>" (a token); nothing where it is none of these.
std::optional<RowInit> parse_row_init(std::string_view text);

/// One role of the tokenizer: bos, eos, pad or unk.
struct RoleRule {
  std::string token;
  /// Without it: a copy of the row of the token that had the role; where none had it, zero for pad
  /// and mean for the others. Never touches a token that exists already.
  std::optional<RowInit> init;
  bool if_missing = false;  // leave a tokenizer that has the role alone

  friend bool operator==(const RoleRule&, const RoleRule&) = default;
};

/// The tokens to add to a model (the file of --add-tokens).
struct TokenAdditions {
  std::optional<RoleRule> bos_token;
  std::optional<RoleRule> eos_token;
  std::optional<RoleRule> pad_token;
  std::optional<RoleRule> unk_token;
  std::vector<std::string> special_tokens;  // never split, hidden by skip_special_tokens
  std::vector<std::string> regular_tokens;

  friend bool operator==(const TokenAdditions&, const TokenAdditions&) = default;
};

/// What is wrong with the additions themselves, one sentence each: empty or overlong tokens, bytes
/// that are not UTF-8, a token listed twice. Empty if all is well.
std::vector<std::string> validate(const TokenAdditions& additions);

struct TokenPlanOptions {
  bool skip_default_tokens = false;  // do not add [PAD] where there is no pad token
  /// 0, or rows are appended until their number is a multiple of this (at least it, so a number
  /// above the rows needed is the exact number of rows).
  std::int64_t pad_vocab_to = 0;
  std::optional<std::string> chat_template;  // the text of --chat-template
};

/// A tokenizer's files as texts; nothing where the directory lacks one.
struct TokenizerFiles {
  std::string name;  // the directory, for messages
  std::string tokenizer_json;
  std::optional<std::string> tokenizer_config;
  std::optional<std::string> special_tokens_map;
  std::optional<std::string> added_tokens;
  std::optional<std::string> chat_template;  // chat_template.jinja
};

/// Reads them with size limits (tokenizer.json: 64 MiB). `tokenizer_json`, if given, stands for the
/// file of that name. Error(cannot_load).
TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder,
                                    std::optional<std::string> tokenizer_json = std::nullopt);

/// One row of embedding and head that gets a value. Rows from `old_rows` on that are not listed are
/// zero.
struct NewRow {
  enum class Init : std::uint8_t { copy, mean, zero };
  std::int64_t id = 0;
  std::string token;
  Init init = Init::mean;
  std::int64_t source = 0;  // copy: the row copied

  friend bool operator==(const NewRow&, const NewRow&) = default;
};

/// A file of a chat template, by its path inside the model directory.
struct ChatTemplateFile {
  std::string path;
  std::string text;

  friend bool operator==(const ChatTemplateFile&, const ChatTemplateFile&) = default;
};

struct TokenPlan {
  /// The new texts; `name` is the source's. What was absent and is not needed stays absent.
  TokenizerFiles files;
  /// chat_template.jinja, and additional_chat_templates/NAME.jinja for a model with several.
  std::vector<ChatTemplateFile> chat_templates;
  /// The source's template was replaced by the one given, its additional ones are not to be copied.
  bool replaces_chat_template = false;
  std::int64_t old_rows = 0;   // of the source's embedding
  std::int64_t new_rows = 0;   // of the new one, the new vocab_size
  std::int64_t mean_rows = 0;  // a mean is taken over rows [0, mean_rows): those that have a token
  std::vector<NewRow> rows;    // by id
  TokenIds ids;
  std::optional<std::int64_t> unk_id;
  std::vector<std::string> notes;     // sentences for the user
  std::vector<std::string> warnings;  // the same, more urgent
};

/// Works out everything that adding tokens to a model changes; writes nothing. The texts are edited
/// in place: every member that does not change keeps its bytes. New ids follow the tokenizer's
/// last; where the embedding has spare rows they are used first. Additions that cannot be:
/// Error(usage); files that cannot be read: Error(cannot_load).
TokenPlan plan_token_additions(const TokenAdditions& additions, const TokenizerFiles& files,
                               const ModelConfig& config, const TokenPlanOptions& options = {});

}  // namespace fg::arch
