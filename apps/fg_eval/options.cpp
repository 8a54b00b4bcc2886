#include "options.hpp"

#include <boost/program_options/value_semantic.hpp>

#include <fg/base/error.hpp>
#include <fg/infer/load.hpp>
#include <fg/store/libraries.hpp>
#include <fg/text/libraries.hpp>

namespace fg::eval {
namespace {

using app::given;
using app::text;

void add_options(app::Program& program) {
  namespace po = boost::program_options;
  const auto word = [] { return po::value<std::string>(); };
  const auto number = [] { return po::value<std::int64_t>(); };
  auto add = program.own.add_options();
  add("data", word(),
      "file or folder of conversations or texts (.json, .jsonl, .txt, each also .gz)");
  add("split", word(), "part of the data, for example test or train[95%:]");
  add("format", word()->default_value("auto"), "auto, sharegpt, openai, alpaca or text");
  add("train-on", word()->default_value("all"),
      "which tokens count: all, or assistant (what the assistant says)");
  add("seq-len", number(),
      "most tokens of a conversation; longer ones are cut (default: 4096, or the model's "
      "positions)");
  add("batch-size", number()->default_value(1), "rows at once");
  add("max-batches", number(), "stop after so many");
  add("chat-template,t", word(), "Jinja file to use instead of the model's own template");
  add("dtype", word()->default_value("auto"),
      "auto (float32 on the CPU), float32, bfloat16 or float16");
  add("logits-out", word(),
      "HDF5 file to make: a dataset logits_N, [tokens, vocabulary] float32, "
      "for line N of --input-ids, from 0");
  add("input-ids", word(), "token ids, a JSON list a line, each a sequence of its own");
  add("json", "the result as one JSON object");
  program.hidden.add_options()("model", word(), "");
  program.positional.add("model", 1);
}

/// Options whose values have to be understood, and what is wrong with them.
class Reader {
public:
  explicit Reader(const app::Arguments& arguments) : arguments_(arguments) {}

  Options read() {
    Options options;
    options.model = text(arguments_, "model");
    options.chat_template = text(arguments_, "chat-template");
    options.dtype = text(arguments_, "dtype");
    options.json = given(arguments_, "json");
    options.data = text(arguments_, "data");
    options.split = text(arguments_, "split");
    options.input_ids = text(arguments_, "input-ids");
    options.logits_out = text(arguments_, "logits-out");
    attempt([&] { infer::parse_type(options.dtype, "--dtype"); });
    attempt([&] { options.format = data::parse_format(text(arguments_, "format"), "--format"); });
    attempt([&] {
      options.train_on = data::parse_train_on(text(arguments_, "train-on"), "--train-on");
    });
    options.seq_len = number("seq-len", 2);
    options.batch_size = number("batch-size", 1).value_or(options.batch_size);
    options.max_batches = number("max-batches", 1);
    check_together(options);
    if (!mistakes_.empty()) fail(ExitCode::usage, mistakes_);
    return options;
  }

private:
  void mistake(const std::string& what) { mistakes_ += (mistakes_.empty() ? "" : "\n") + what; }

  template <typename Parse>
  void attempt(const Parse& parse) {
    try {
      parse();
    } catch (const Error& error) {
      mistake(error.what());
    }
  }

  std::optional<std::int64_t> number(const char* name, std::int64_t least) {
    if (arguments_.count(name) == 0) return std::nullopt;
    const auto value = arguments_[name].as<std::int64_t>();
    if (value < least)
      mistake("--" + std::string(name) + " " + std::to_string(value) + ": expected " +
              std::to_string(least) + " or more");
    return value;
  }

  void check_together(const Options& options) {
    if (options.model.empty())
      mistake("missing argument: MODEL_DIR, a model folder or a checkpoint");
    if (options.logits_out.empty() != options.input_ids.empty())
      mistake("--logits-out and --input-ids go together; one of them is missing");
    else if (options.data.empty() && options.logits_out.empty())
      mistake("missing option: --data FILE, or --logits-out FILE with --input-ids FILE");
    if (!options.data.empty()) return;
    for (const char* name : {"split", "format", "train-on", "seq-len", "batch-size", "max-batches",
                             "chat-template", "json"})
      if (given(arguments_, name))
        mistake("--" + std::string(name) + " says something of --data, which is missing");
  }

  const app::Arguments& arguments_;
  std::string mistakes_;
};

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
                      "fg-eval ~/samantha --data chats.json --split train[95%:] --json"};
  add_options(program);
  program.linked = {store::hdf5_library(), text::regex_library(), text::unicode_library()};
  return program;
}

Options read_options(const app::Arguments& arguments) {
  return Reader(arguments).read();
}

}  // namespace fg::eval
