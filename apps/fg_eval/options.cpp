#include "options.hpp"

#include <fg/infer/load.hpp>
#include <fg/store/libraries.hpp>
#include <fg/text/libraries.hpp>

namespace fg::eval {
namespace {

using app::given;
using app::text;

void add_options(app::Program& program) {
  using app::word;
  auto add = program.own.add_options();
  add("data", word(),
      "file or folder of conversations or texts (.json, .jsonl, .txt, each also .gz)");
  add("split", word(), "part of the data, for example test or train[95%:]");
  add("format", word()->default_value("auto"), "auto, sharegpt, openai, alpaca or text");
  add("train-on", word()->default_value("all"),
      "which tokens count: all, or assistant (what the assistant says)");
  add("seq-len", word(),
      "most tokens of a conversation; longer ones are cut (default: 4096, or the model's "
      "positions)");
  add("batch-size", word(), "rows at once (1)");
  add("max-batches", word(), "stop after so many");
  add("chat-template,t", word(), "Jinja file to use instead of the model's own template");
  add("dtype", word()->default_value("auto"),
      "auto (bfloat16 on a GPU, float32 on the CPU), float32, bfloat16 or float16");
  add("devices,d", word()->default_value("auto"),
      "auto (GPUs where there are any), cpu, or the GPUs to use, for example 0,1,3");
  add("logits-out", word(),
      "HDF5 file to make: a dataset logits_N, [tokens, vocabulary] float32, "
      "for line N of --input-ids, from 0");
  add("input-ids", word(), "token ids, a JSON list a line, each a sequence of its own");
  add("json", "the result as one JSON object");
  program.take_argument("model");
}

constexpr const char* of_data[] = {"split",      "format",      "train-on",      "seq-len",
                                   "batch-size", "max-batches", "chat-template", "json"};

void check_together(const Options& options, const app::Arguments& arguments,
                    app::Mistakes& mistakes) {
  if (options.model.empty())
    mistakes.add("missing argument: MODEL_DIR, a model folder or a checkpoint");
  if (options.logits_out.empty() != options.input_ids.empty())
    mistakes.add("--logits-out and --input-ids go together; one of them is missing");
  else if (options.data.empty() && options.logits_out.empty())
    mistakes.add("missing option: --data FILE, or --logits-out FILE with --input-ids FILE");
  if (!options.data.empty()) return;
  for (const char* name : of_data)
    if (given(arguments, name))
      mistakes.add("--" + std::string(name) + " says something of --data, which is missing");
}

}  // namespace

app::Program describe() {
  app::Program program;
  program.name = "fg-eval";
  program.summary =
      "measures a model: its loss on a data set, each token weighted alike, and perplexity; or "
      "writes its\nlogits for given token ids. Only the result goes to standard output.";
  program.usage = {"MODEL_DIR --data FILE [options]",
                   "MODEL_DIR --logits-out FILE.h5 --input-ids FILE [options]"};
  program.examples = {"fg-eval ~/samantha --data held_out.jsonl --train-on assistant",
                      "mpirun -np 4 fg-eval ~/samantha --data held_out.jsonl",
                      "fg-eval ~/samantha --data chats.json --split train[95%:] --json"};
  add_options(program);
  program.more_codes = {ExitCode::numerics, ExitCode::hang, ExitCode::rank_lost};
  program.linked = {store::hdf5_library(), text::regex_library(), text::unicode_library()};
  return program;
}

Options read_options(const app::Arguments& arguments) {
  app::Mistakes mistakes;
  Options options;
  options.model = text(arguments, "model");
  options.chat_template = text(arguments, "chat-template");
  options.devices = text(arguments, "devices");
  options.dtype = text(arguments, "dtype");
  options.json = given(arguments, "json");
  options.data = text(arguments, "data");
  options.split = text(arguments, "split");
  options.input_ids = text(arguments, "input-ids");
  options.logits_out = text(arguments, "logits-out");
  mistakes.collect([&] { infer::place(options.devices, options.dtype); });
  mistakes.collect(
      [&] { options.format = data::parse_format(text(arguments, "format"), "--format"); });
  mistakes.collect(
      [&] { options.train_on = data::parse_train_on(text(arguments, "train-on"), "--train-on"); });
  const auto number = [&](const char* name, std::uint64_t least) {
    return app::whole_number(arguments, name, mistakes, least, 1'000'000'000);
  };
  options.seq_len = number("seq-len", 2);
  options.batch_size =
      static_cast<std::int64_t>(number("batch-size", 1).value_or(std::uint64_t{1}));
  options.max_batches = number("max-batches", 1);
  check_together(options, arguments, mistakes);
  mistakes.throw_if_any();
  return options;
}

}  // namespace fg::eval
