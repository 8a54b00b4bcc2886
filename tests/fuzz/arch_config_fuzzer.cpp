// config.json and generation_config.json: any text is read or refused, and what is read can be
// rewritten, read again as the same model, and asked for its tensors.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <fg/arch/config_json.hpp>
#include <fg/arch/generation_config.hpp>
#include <fg/arch/model_config.hpp>
#include <fg/arch/tensor_names.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace arch = fg::arch;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const fg::Json json = fg::parse_json(text, "config.json");
    if (json.is_object()) arch::agree_on_tokens(fg::Json::object(), json, {1, 2, 3}, "m");
    const arch::ModelConfig config = arch::parse_model_config(json, "config.json");
    arch::find_fg_object(json, "config.json");
    if (config.layers <= 64) {
      const auto tensors = arch::expected_tensors(config, fg::store::Dtype::bfloat16);
      if (!arch::check_tensors(config, tensors).passed()) std::abort();
    }
    const fg::Json both = arch::with_both_spellings(json);
    if (!(arch::parse_model_config(both, "config.json").rope == config.rope)) std::abort();
    arch::agree_on_tokens(both, json, {1, 2, std::nullopt}, "m");
  } catch (const fg::Error& error) {
    if (error.code() != fg::ExitCode::cannot_load) std::abort();
  }
  return 0;
}
