#include <optional>
#include <utility>

#include <fg/app/program.hpp>
#include <fg/data/chat_encoder.hpp>
#include <fg/session/signals.hpp>
#include <fg/text/libraries.hpp>

#include "jobs.hpp"
#include "lines.hpp"
#include "options.hpp"
#include "pack.hpp"

namespace {

using namespace fg;
using app::text;

const std::vector<std::string> job_names = {"tokenize", "render", "pack", "stats"};

app::Program describe() {
  app::Program program;
  program.name = "fg-data";
  program.summary =
      "shows what a model's tokenizer and chat template make of a text, and training of a data "
      "set.\n\nOne JSON value a line on standard input, one a line on standard output:\n"
      "  tokenize  {\"text\": …} → {\"ids\": […]}, with what the tokenizer adds (bos);\n"
      "            {\"messages\": […], …} → {\"ids\": […]}, rendered first; control tokens in the "
      "messages,\n            tools and documents stay plain text\n"
      "  render    {\"messages\": […], \"tools\": […], \"documents\": […], "
      "\"add_generation_prompt\": "
      "true} →\n            {\"text\": …}\n"
      "Of a data set (docs/data.md):\n"
      "  pack      how it is packed into rows; with --preview N the first rows as text\n"
      "  stats     counts, and how long the documents are";
  program.usage = {"tokenize -M MODEL_DIR [-t TEMPLATE]", "render -M MODEL_DIR [-t TEMPLATE]",
                   "pack -M MODEL_DIR --data PATH[:WEIGHT] [--preview N] [options]",
                   "stats -M MODEL_DIR --data PATH[:WEIGHT] [options]"};
  program.examples = {
      "echo '{\"text\": \"Hello\"}' | fg-data tokenize -M ~/llama2",
      "fg-data render -M ~/llama2 -t configs/chat_templates/chatml.jinja < conversations.jsonl",
      "fg-data pack -M ~/llama2 --data configs/samantha/data --train-on assistant --preview 2"};
  auto add = program.own.add_options();
  add("model,M", app::word(), "folder with tokenizer.json and tokenizer_config.json");
  add("chat-template,t", app::word(), "Jinja file to use instead of the folder's own template");
  data_app::add_pack_options(program);
  program.take_argument("job");
  program.linked = {text::regex_library(), text::unicode_library()};
  program.patience_s = app::without_end;
  return program;
}

/// The job, and what it was asked for.
struct Request {
  std::string job;
  data_app::PackJob pack;  // of pack and stats
  bool is_of_lines() const { return job == "tokenize" || job == "render"; }
};

/// The request, checked whole; all mistakes at once.
Request checked_request(const app::Arguments& arguments) {
  app::Mistakes mistakes;
  Request request;
  request.job = text(arguments, "job");
  const bool known = app::is_known_job(request.job, job_names, mistakes);
  if (text(arguments, "model").empty()) mistakes.add("missing option: -M MODEL_DIR");
  const std::string of_pack = data_app::given_pack_options(arguments);
  if (known && request.is_of_lines() && !of_pack.empty())
    mistakes.add(request.job + " does not have " + of_pack + "; pack and stats do");
  if (known && !request.is_of_lines())
    request.pack = data_app::read_pack_options(arguments, mistakes);
  mistakes.throw_if_any();
  return request;
}

/// pack and stats: the first rank works, with threads, and prints.
void run_pack(session::Session& session, const app::Arguments& arguments, Request request) {
  session.together([&] {
    if (!session.is_first()) return;
    const auto encoder =
        data::ChatEncoder::load(text(arguments, "model"), text(arguments, "chat-template"));
    request.pack.data.check = session::check_for_stop;
    data_app::print(request.job == "pack" ? data_app::pack_text(request.pack, encoder)
                                          : data_app::stats_text(request.pack, encoder));
  });
}

void run(session::Session& session, const app::Arguments& arguments) {
  Request request;
  std::optional<data_app::Jobs> jobs;
  session.together([&] {
    request = checked_request(arguments);
    if (request.is_of_lines())
      jobs.emplace(text(arguments, "model"), text(arguments, "chat-template"));
  });
  if (!jobs) return run_pack(session, arguments, std::move(request));
  data_app::answer_lines(session, [&](const std::string& line) {
    return request.job == "tokenize" ? jobs->tokenize(line) : jobs->render(line);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return app::run(argc, argv, describe(), run);
}
