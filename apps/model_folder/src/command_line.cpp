#include <fg/base/units.hpp>
#include <fg/model_folder/command_line.hpp>

namespace fg::model_folder {

namespace {

using app::given;
using app::text;

void read_template(const app::Arguments& arguments, app::Mistakes& mistakes, Options& options) {
  if (given(arguments, "chat-template") && given(arguments, "chat-template-path"))
    mistakes.add("--chat-template and --chat-template-path are one option; give it once");
  options.chat_template =
      text(arguments, given(arguments, "chat-template") ? "chat-template" : "chat-template-path");
}

void read_dtype(const app::Arguments& arguments, app::Mistakes& mistakes, Options& options) {
  if (!given(arguments, "dtype")) return;
  options.dtype = store::parse_dtype(text(arguments, "dtype"));
  using store::Dtype;
  if (options.dtype != Dtype::bfloat16 && options.dtype != Dtype::float16 &&
      options.dtype != Dtype::float32)
    mistakes.add("--dtype " + text(arguments, "dtype") + ": expected bfloat16, float16 or float32");
}

void read_format(const app::Arguments& arguments, app::Mistakes& mistakes, Options& options) {
  if (!given(arguments, "format")) return;
  const std::string word = text(arguments, "format");
  for (const auto format : {store::WeightFormat::hdf5, store::WeightFormat::torch_bin,
                            store::WeightFormat::safetensors})
    if (word == store::name_of(format)) options.format = format;
  if (!options.format) mistakes.add("--format " + word + ": expected hdf5, bin or safetensors");
}

void read_shard_size(const app::Arguments& arguments, app::Mistakes& mistakes, Options& options) {
  const auto bytes = parse_bytes(text(arguments, "max-shard-size"));
  if (bytes && *bytes > 0)
    options.max_shard_bytes = *bytes;
  else
    mistakes.add("--max-shard-size " + text(arguments, "max-shard-size") +
                 ": expected a size such as 500MB or 2GiB");
}

}  // namespace

void add_options(app::Program& program, const std::string& default_format) {
  auto add = program.own.add_options();
  using app::word;
  add("dtype", word(), "bfloat16, float16 or float32 (default: each tensor's own)");
  add("add-tokens", word(),
      "YAML file of tokens to add, for example configs/add_tokens/chatml.yaml");
  add("chat-template,t", word(), "Jinja file to install as the chat template");
  add("chat-template-path", word(), "the same");
  add("format", word(), ("hdf5, bin or safetensors (default: " + default_format + ")").c_str());
  add("max-shard-size", word()->default_value("5GB"),
      "largest weight file, for example 500MB or 2GiB");
  add("verify",
      "compare DST with the source, tensor by tensor and the tokenizers, before it takes its name");
  add("overwrite", "replace DST if it exists");
  add("dry-run", "say what would be done, and stop");
}

Options read_options(const app::Arguments& arguments, app::Mistakes& mistakes) {
  Options options;
  options.add_tokens = text(arguments, "add-tokens");
  options.verify = given(arguments, "verify");
  options.dry_run = given(arguments, "dry-run");
  if (given(arguments, "overwrite")) options.overwrite = store::Overwrite::yes;
  read_template(arguments, mistakes, options);
  read_dtype(arguments, mistakes, options);
  read_format(arguments, mistakes, options);
  read_shard_size(arguments, mistakes, options);
  return options;
}

}  // namespace fg::model_folder
