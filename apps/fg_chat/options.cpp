#include "options.hpp"

#include <fg/base/utf8.hpp>
#include <fg/infer/load.hpp>
#include <fg/text/libraries.hpp>

namespace fg::chat {
namespace {

using app::given;
using app::text;

constexpr const char* name_of_repetition_penalty = "repetition-penalty";

void add_options(app::Program& program) {
  namespace po = boost::program_options;
  using app::word;
  const auto number = [] { return po::value<double>(); };
  auto add = program.own.add_options();
  add("message,m", word(), "send this message, print the answer, and leave");
  add("completion", word(), "go on from this text as it is, without a chat template, and leave");
  add("interactive,i", "a conversation, also where standard input is no terminal");
  add("system", word(), "what the model is told before the conversation");
  add("max-tokens", po::value<std::int64_t>()->default_value(512), "longest answer");
  add("temperature", number(),
      "0: always the likeliest token; higher: more varied (default: the model's, else 0.7)");
  add("greedy", "the same as --temperature 0");
  add("top-k", po::value<std::int64_t>(), "draw from the k likeliest tokens only; 0: off");
  add("top-p", number(), "draw from the likeliest tokens that together have this probability");
  add("min-p", number(), "leave out tokens below this part of the likeliest one's probability");
  add(name_of_repetition_penalty, number(), "above 1: tokens that were there before get rarer");
  add("seed", po::value<std::uint64_t>(), "the same seed gives the same answers");
  add("stop", app::words(), "end an answer before this text (may be given several times)");
  add("chat-template,t", word(), "Jinja file to use instead of the model's own template");
  add("dtype", word()->default_value("auto"),
      "auto (bfloat16 on a GPU, float32 on the CPU), float32, bfloat16 or float16");
  add("devices,d", word()->default_value("auto"),
      "auto (a GPU where there is one), cpu, or a GPU's number");
  add("show-usage", "say after each answer how many tokens it took, and how long");
  program.take_argument("model");
}

template <typename T>
std::optional<T> value_of(const app::Arguments& arguments, const char* name) {
  if (!given(arguments, name)) return std::nullopt;
  return arguments[name].as<T>();
}

/// The options as they are spelled; what they say together is checked afterwards.
Options plain_options(const app::Arguments& arguments) {
  Options options;
  options.model = text(arguments, "model");
  options.chat_template = text(arguments, "chat-template");
  options.devices = text(arguments, "devices");
  options.dtype = text(arguments, "dtype");
  options.message = value_of<std::string>(arguments, "message");
  options.completion = value_of<std::string>(arguments, "completion");
  options.interactive = given(arguments, "interactive");
  options.system = text(arguments, "system");
  options.max_tokens = arguments["max-tokens"].as<std::int64_t>();
  options.stop = app::texts(arguments, "stop");
  options.seed = value_of<std::uint64_t>(arguments, "seed");
  options.show_usage = given(arguments, "show-usage");
  options.temperature = value_of<double>(arguments, "temperature");
  options.top_k = value_of<std::int64_t>(arguments, "top-k");
  options.top_p = value_of<double>(arguments, "top-p");
  options.min_p = value_of<double>(arguments, "min-p");
  options.repetition_penalty = value_of<double>(arguments, name_of_repetition_penalty);
  if (given(arguments, "greedy")) options.temperature = 0.0;
  return options;
}

app::Mistakes mistakes_in(const Options& options, const app::Arguments& arguments) {
  app::Mistakes mistakes;
  const auto require = [&](bool right, const std::string& otherwise) {
    if (!right) mistakes.add(otherwise);
  };
  require(!options.model.empty(), "missing argument: MODEL, a model folder or a checkpoint");
  require(options.message.has_value() + options.completion.has_value() + options.interactive <= 1,
          "--message, --completion and --interactive: give one of them");
  require(!options.message || options.message->find_first_not_of(" \t\r\n") != std::string::npos,
          "--message: the text is empty");
  require(!options.completion || (options.system.empty() && options.chat_template.empty()),
          "--completion goes without --system and --chat-template");
  require(!given(arguments, "greedy") || !given(arguments, "temperature"),
          "--greedy means --temperature 0; give one of them");
  require(options.max_tokens > 0,
          "--max-tokens " + std::to_string(options.max_tokens) + ": expected 1 or more");
  for (const std::string& stop : options.stop) require(!stop.empty(), "--stop: the text is empty");
  for (const auto& [name, value] : {std::pair{"--message", options.message.value_or("")},
                                    std::pair{"--completion", options.completion.value_or("")},
                                    std::pair{"--system", options.system}})
    require(!find_invalid_utf8(value), std::string(name) + ": the text is not UTF-8");
  for (const std::string& mistake : infer::mistakes_in(options.over({}), "--"))
    mistakes.add(mistake);
  mistakes.collect([&] { infer::place(options.devices, options.dtype); });
  return mistakes;
}

}  // namespace

infer::SamplingOptions Options::over(infer::SamplingOptions defaults) const {
  defaults.temperature = temperature.value_or(defaults.temperature);
  defaults.top_k = top_k.value_or(defaults.top_k);
  defaults.top_p = top_p.value_or(defaults.top_p);
  defaults.min_p = min_p.value_or(defaults.min_p);
  defaults.repetition_penalty = repetition_penalty.value_or(defaults.repetition_penalty);
  return defaults;
}

app::Program describe() {
  app::Program program;
  program.name = "fg-chat";
  program.summary =
      "talks with a model: one message, a conversation, or the continuation of a text.\n"
      "The answer alone goes to standard output. Without -m, --completion or -i it is a "
      "conversation on a\nterminal; elsewhere standard input is the message.";
  program.usage = {"MODEL [options]", "MODEL -m TEXT [options]",
                   "MODEL --completion TEXT [options]"};
  program.examples = {"fg-chat ~/samantha -m \"Hello, what is your name?\"",
                      "fg-chat ~/samantha --system \"You are Samantha.\" --temperature 0.7",
                      "fg-chat ~/samantha/checkpoints/checkpoint-120 --greedy < question.txt"};
  add_options(program);
  program.on_ranks = "it is refused";
  program.more_codes = {ExitCode::numerics, ExitCode::rank_lost};
  program.linked = {text::regex_library(), text::unicode_library()};
  return program;
}

Options read_options(const app::Arguments& arguments) {
  Options options = plain_options(arguments);
  mistakes_in(options, arguments).throw_if_any();
  return options;
}

}  // namespace fg::chat
