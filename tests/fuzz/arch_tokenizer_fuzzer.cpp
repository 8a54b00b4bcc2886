// The texts of a tokenizer's files, split at NUL bytes: tokenizer.json, tokenizer_config.json,
// special_tokens_map.json, added_tokens.json. Any are read or refused; what is written can be read
// again, and then nothing is left to add.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include <fg/arch/token_additions.hpp>

namespace {

std::array<std::optional<std::string>, 4> split(std::string_view text) {
  std::array<std::optional<std::string>, 4> parts;
  for (auto& part : parts) {
    if (text.data() == nullptr) break;
    const std::size_t end = text.find('\0');
    part = std::string(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text = text.substr(end + 1);
  }
  return parts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace arch = fg::arch;
  const auto parts = split({reinterpret_cast<const char*>(data), size});
  arch::ModelConfig config;
  config.vocab_size = 1000;
  config.eos_token_ids = {2};
  arch::TokenAdditions additions;
  additions.eos_token = arch::RoleRule{"<e>", std::nullopt, false};
  additions.special_tokens = {"<b>", "a"};
  arch::TokenPlan plan;
  try {
    plan = arch::plan_token_additions(
        additions, {"m", parts[0].value_or(""), parts[1], parts[2], parts[3], std::nullopt},
        config);
  } catch (const fg::Error& error) {
    if (error.code() != fg::ExitCode::cannot_load) std::abort();
    return 0;
  }
  config.vocab_size = plan.new_rows;
  const arch::TokenPlan again = arch::plan_token_additions(additions, plan.files, config);
  if (!again.rows.empty() || again.files.tokenizer_json != plan.files.tokenizer_json) std::abort();
  return 0;
}
