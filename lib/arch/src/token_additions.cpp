#include "fg/arch/token_additions.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/base/utf8.hpp>

#include "chat_templates.hpp"
#include "roles.hpp"
#include "small_files.hpp"
#include "tokenizer_edits.hpp"
#include "vocabulary.hpp"

namespace fg::arch {
namespace {

constexpr std::uint64_t largest_tokenizer = 64 << 20;
constexpr std::size_t longest_token = 512;

std::string in_quotes(std::string_view token) {
  return "'" + std::string(token) + "'";
}

std::optional<std::string> read_if_there(const std::filesystem::path& path, std::uint64_t limit) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  return read_text(path, limit);
}

void check_token(const std::string& token, const std::string& where,
                 std::vector<std::string>& mistakes) {
  if (token.empty()) mistakes.push_back(where + ": the token is empty");
  if (token.size() > longest_token)
    mistakes.push_back(where + ": the token has " + std::to_string(token.size()) +
                       " bytes; at most " + std::to_string(longest_token) + " are allowed");
  if (find_invalid_utf8(token)) mistakes.push_back(where + ": the token is not valid UTF-8");
}

void check_list(const std::vector<std::string>& list, const std::string& where,
                std::set<std::string>& seen, std::vector<std::string>& mistakes) {
  for (const std::string& token : list) {
    check_token(token, where, mistakes);
    if (!seen.insert(token).second)
      mistakes.push_back(where + ": " + in_quotes(token) + " is listed twice");
  }
}

const std::optional<RoleRule>& rule_of(const TokenAdditions& additions, Role role) {
  switch (role) {
    case Role::bos:
      return additions.bos_token;
    case Role::eos:
      return additions.eos_token;
    case Role::unk:
      return additions.unk_token;
    case Role::pad:
      return additions.pad_token;
  }
  return additions.pad_token;
}

/// Builds the plan token by token. The order of new ids: bos, eos, unk, special tokens, regular
/// tokens, pad.
class Planner {
public:
  Planner(const TokenizerFiles& files, const ModelConfig& config)
      : files_(files),
        config_(config),
        vocabulary_(files.tokenizer_json, files.name + "/tokenizer.json"),
        roles_(find_roles(files, vocabulary_)),
        next_id_(vocabulary_.size()) {
    plan_.files = files;
    plan_.old_rows = config.vocab_size;
    plan_.mean_rows = std::min(vocabulary_.size(), config.vocab_size);
    if (vocabulary_.size() > config.vocab_size)
      fail(ExitCode::cannot_load,
           files.name + ": tokenizer.json has " + std::to_string(vocabulary_.size()) +
               " tokens, but config.json's vocab_size is " + std::to_string(config.vocab_size) +
               "; they do not belong together");
  }

  TokenPlan run(const TokenAdditions& additions, const TokenPlanOptions& options) {
    for (const Role role : {Role::bos, Role::eos, Role::unk}) apply_rule(role, additions);
    for (const std::string& token : additions.special_tokens) add_special(token);
    for (const std::string& token : additions.regular_tokens) add_regular(token);
    apply_rule(Role::pad, additions);
    if (!options.skip_default_tokens) add_default_pad();
    plan_rows(options.pad_vocab_to);
    finish_files();
    warn_about_template(additions, options);
    plan_chat_templates(options, plan_);
    return std::move(plan_);
  }

private:
  std::optional<std::int64_t> find(const std::string& token) const {
    for (const AddedToken& added : edits_.added)
      if (added.content == token) return added.id;
    return vocabulary_.find(token);
  }

  std::optional<std::int64_t> id_of(Role role) const {
    if (!roles_[role]) return std::nullopt;
    return find(*roles_[role]);
  }

  bool is_added_already(const std::string& token, bool as_special) const {
    for (const Json& entry : vocabulary_.added_tokens())
      if (entry["content"] == token) return !as_special || entry.value("special", Json()) == true;
    return false;
  }

  /// The row that a role's new token copies: its token's before, or for eos and bos what
  /// config.json says where the tokenizer has none.
  std::optional<std::int64_t> old_row(Role role) const {
    if (roles_[role]) {
      if (const auto id = vocabulary_.find(*roles_[role])) return id;
    }
    if (role == Role::eos && !config_.eos_token_ids.empty()) return config_.eos_token_ids.front();
    if (role == Role::bos) return config_.bos_token_id;
    return std::nullopt;
  }

  NewRow row_for_role(Role role, const RoleRule& rule) const {
    if (rule.init) return row_from(*rule.init);
    const std::optional<std::int64_t> source = old_row(role);
    if (source && !fault_planted("arch.old_eos_row_not_copied"))
      return {0, "", NewRow::Init::copy, *source};
    return {0, "", role == Role::pad ? NewRow::Init::zero : NewRow::Init::mean, 0};
  }

  NewRow row_from(const RowInit& init) const {
    NewRow row;
    switch (init.kind) {
      case RowInit::Kind::mean:
        row.init = NewRow::Init::mean;
        return row;
      case RowInit::Kind::zero:
        row.init = NewRow::Init::zero;
        return row;
      case RowInit::Kind::copy_id:
        if (init.id < 0 || init.id >= config_.vocab_size)
          fail(ExitCode::usage, "init: copy:" + std::to_string(init.id) +
                                    " names no row; the model has rows 0 to " +
                                    std::to_string(config_.vocab_size - 1));
        row.source = init.id;
        break;
      case RowInit::Kind::copy_token: {
        const std::optional<std::int64_t> id = vocabulary_.find(init.token);
        if (!id)
          fail(ExitCode::usage, "init: copy:" + init.token + ": the tokenizer has no token " +
                                    in_quotes(init.token));
        row.source = *id;
        break;
      }
    }
    row.init = NewRow::Init::copy;
    return row;
  }

  /// The id of `token`, which becomes a token of its own and, if new, gets a row.
  std::int64_t ensure(const std::string& token, bool special, NewRow row) {
    if (const std::optional<std::int64_t> id = find(token)) {
      if (!is_added_already(token, special) && !is_edited(token))
        edits_.added.push_back({*id, token, special});
      if (fault_planted("arch.existing_row_overwritten")) add_row(std::move(row), *id, token);
      return *id;
    }
    const std::int64_t id = next_id_++;
    edits_.added.push_back({id, token, special});
    add_row(std::move(row), id, token);
    return id;
  }

  bool is_edited(const std::string& token) const {
    return std::any_of(edits_.added.begin(), edits_.added.end(),
                       [&](const AddedToken& added) { return added.content == token; });
  }

  void add_row(NewRow row, std::int64_t id, const std::string& token) {
    row.id = id;
    row.token = token;
    const std::string how = row.init == NewRow::Init::copy
                                ? "a copy of row " + std::to_string(row.source)
                                : (row.init == NewRow::Init::mean ? "the mean row" : "zero");
    const bool spare = id < plan_.old_rows;
    plan_.notes.push_back("Token " + in_quotes(token) + " is new: id " + std::to_string(id) +
                          ", its row begins as " + how +
                          (spare ? " (a spare row of the table, set anew)." : "."));
    plan_.rows.push_back(std::move(row));
  }

  void apply_rule(Role role, const TokenAdditions& additions) {
    const std::optional<RoleRule>& rule = rule_of(additions, role);
    if (!rule) return;
    const std::string key(key_of(role));
    if (rule->if_missing && id_of(role)) {
      plan_.notes.push_back(key + " stays " + in_quotes(*roles_[role]) + " (if_missing).");
      return;
    }
    if (roles_[role] == rule->token && id_of(role)) {
      plan_.notes.push_back(key + " is " + in_quotes(rule->token) + " already.");
      return;
    }
    const bool existed = find(rule->token).has_value();
    const std::int64_t id = ensure(rule->token, true, row_for_role(role, *rule));
    if (existed)
      plan_.notes.push_back(key + " is now " + in_quotes(rule->token) + ", id " +
                            std::to_string(id) +
                            ", which the model has already; its row stays as it is.");
    move_role(role, rule->token, id);
  }

  void move_role(Role role, const std::string& token, std::int64_t id) {
    if (role == Role::eos && roles_[role]) {
      edits_.old_eos = roles_[role];
      edits_.new_eos = AddedToken{id, token, true};
    }
    roles_[role] = token;
    edits_.roles.emplace_back(role, token);
  }

  void add_special(const std::string& token) {
    const bool is_role = std::any_of(all_roles.begin(), all_roles.end(),
                                     [&](Role role) { return roles_[role] == token; });
    if (is_role) {
      plan_.notes.push_back("Special token " + in_quotes(token) + " has a role already.");
      return;
    }
    const bool known = find(token).has_value();
    const std::int64_t id = ensure(token, true, {});
    if (known)
      plan_.notes.push_back("Special token " + in_quotes(token) + " exists already, id " +
                            std::to_string(id) + "; its row stays as it is.");
    edits_.additional_special.push_back(token);
  }

  void add_regular(const std::string& token) {
    if (const std::optional<std::int64_t> id = find(token)) {
      plan_.notes.push_back("Token " + in_quotes(token) + " exists already, id " +
                            std::to_string(*id) + "; its row stays as it is.");
      return;
    }
    ensure(token, false, {});
  }

  void add_default_pad() {
    if (id_of(Role::pad)) return;
    // A name that the tokenizer's files give but tokenizer.json lacks is the one to add.
    const std::string token = roles_[Role::pad].value_or("[PAD]");
    const bool existed = find(token).has_value();
    NewRow row;
    row.init = NewRow::Init::zero;
    const std::int64_t id = ensure(token, true, row);
    plan_.notes.push_back("The tokenizer had no pad token; " + in_quotes(token) + " (id " +
                          std::to_string(id) + (existed ? ", which existed already" : "") +
                          ") is the pad token now. --skip-default-tokens leaves it out.");
    move_role(Role::pad, token, id);
  }

  void plan_rows(std::int64_t pad_to) {
    std::sort(plan_.rows.begin(), plan_.rows.end(),
              [](const NewRow& left, const NewRow& right) { return left.id < right.id; });
    const std::int64_t needed = std::max(plan_.old_rows, next_id_);
    plan_.new_rows = needed;
    if (pad_to == 0) return;
    constexpr std::int64_t largest_multiple = 4096;
    constexpr std::int64_t most_rows = std::int64_t{1} << 24;
    if (pad_to < 0 || pad_to > most_rows || (pad_to < needed && pad_to > largest_multiple))
      fail(ExitCode::usage, "--pad-vocab-to " + std::to_string(pad_to) + ": the model needs " +
                                std::to_string(needed) +
                                " rows; give a multiple to round up to (1 to " +
                                std::to_string(largest_multiple) +
                                ", for example 128) or the number of rows (at least those, at "
                                "most " +
                                std::to_string(most_rows) + ")");
    plan_.new_rows = (needed + pad_to - 1) / pad_to * pad_to;
    if (plan_.new_rows > needed)
      plan_.notes.push_back(std::to_string(plan_.new_rows - needed) +
                            " zero rows without a token are appended (--pad-vocab-to).");
  }

  void finish_files() {
    if (plan_.new_rows != plan_.old_rows)
      plan_.notes.push_back("Embedding and head grow from " + std::to_string(plan_.old_rows) +
                            " to " + std::to_string(plan_.new_rows) + " rows.");
    plan_.files.tokenizer_json = edit_tokenizer_json(files_, edits_, vocabulary_);
    edit_small_files(plan_.files, edits_);
    plan_.ids = {id_of(Role::bos), id_of(Role::eos), id_of(Role::pad)};
    plan_.unk_id = id_of(Role::unk);
  }

  void warn_about_template(const TokenAdditions& additions, const TokenPlanOptions& options) {
    const bool own = has_chat_template(files_);
    if (own && options.chat_template)
      plan_.warnings.push_back(
          "The model has a chat template of its own, which the one given replaces; a model tuned "
          "on the first may answer worse with the second.");
    else if (own && additions.eos_token && !edits_.roles.empty())
      plan_.warnings.push_back(
          "The model has a chat template of its own, which stays; it may not use the tokens that "
          "were added. --chat-template replaces it.");
  }

  const TokenizerFiles& files_;
  const ModelConfig& config_;
  Vocabulary vocabulary_;
  RoleTokens roles_;
  std::int64_t next_id_;
  TokenizerEdits edits_;
  TokenPlan plan_;
};

}  // namespace

std::optional<RowInit> parse_row_init(std::string_view text) {
  if (text == "mean") return RowInit{RowInit::Kind::mean, 0, ""};
  if (text == "zero") return RowInit{RowInit::Kind::zero, 0, ""};
  constexpr std::string_view prefix = "copy:";
  if (!text.starts_with(prefix) || text.size() == prefix.size()) return std::nullopt;
  const std::string_view source = text.substr(prefix.size());
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(source.data(), source.data() + source.size(), id);
  if (error == std::errc() && end == source.data() + source.size())
    return RowInit{RowInit::Kind::copy_id, id, ""};
  return RowInit{RowInit::Kind::copy_token, 0, std::string(source)};
}

std::vector<std::string> validate(const TokenAdditions& additions) {
  std::vector<std::string> mistakes;
  std::set<std::string> seen;
  for (const Role role : all_roles) {
    const std::optional<RoleRule>& rule = rule_of(additions, role);
    if (rule) check_token(rule->token, std::string(key_of(role)), mistakes);
  }
  check_list(additions.special_tokens, "special_tokens", seen, mistakes);
  check_list(additions.regular_tokens, "regular_tokens", seen, mistakes);
  for (const Role role : all_roles) {
    const std::optional<RoleRule>& rule = rule_of(additions, role);
    const auto& regular = additions.regular_tokens;
    if (rule && std::find(regular.begin(), regular.end(), rule->token) != regular.end())
      mistakes.push_back(std::string(key_of(role)) + ": " + in_quotes(rule->token) +
                         " is among the regular_tokens too");
  }
  return mistakes;
}

TokenizerFiles read_tokenizer_files(const std::filesystem::path& folder,
                                    std::optional<std::string> tokenizer_json) {
  TokenizerFiles files;
  files.name = folder.string();
  files.tokenizer_json = tokenizer_json ? std::move(*tokenizer_json)
                                        : read_text(folder / "tokenizer.json", largest_tokenizer);
  files.tokenizer_config = read_if_there(folder / "tokenizer_config.json", largest_small_file);
  files.special_tokens_map = read_if_there(folder / "special_tokens_map.json", largest_small_file);
  files.added_tokens = read_if_there(folder / "added_tokens.json", largest_small_file);
  files.chat_template = read_if_there(folder / "chat_template.jinja", largest_small_file);
  return files;
}

TokenPlan plan_token_additions(const TokenAdditions& additions, const TokenizerFiles& files,
                               const ModelConfig& config, const TokenPlanOptions& options) {
  std::string mistakes;
  for (const std::string& mistake : validate(additions))
    mistakes += (mistakes.empty() ? "" : "; ") + mistake;
  if (!mistakes.empty()) fail(ExitCode::usage, "tokens to add: " + mistakes);
  return Planner(files, config).run(additions, options);
}

}  // namespace fg::arch
