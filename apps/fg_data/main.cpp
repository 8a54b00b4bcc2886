#include <algorithm>

#include <boost/program_options/value_semantic.hpp>

#include <fg/app/program.hpp>
#include <fg/base/error.hpp>
#include <fg/base/nearest.hpp>
#include <fg/text/libraries.hpp>

#include "jobs.hpp"
#include "lines.hpp"

namespace {

using namespace fg;
using app::text;

const std::vector<std::string> job_names = {"tokenize", "render"};

app::Program describe() {
  app::Program program;
  program.name = "fg-data";
  program.summary =
      "shows what a model's tokenizer and chat template make of a text: one JSON value a line on "
      "standard\ninput, one a line on standard output.\n\n"
      "  tokenize  {\"text\": …} → {\"ids\": […]}, with what the tokenizer adds (bos);\n"
      "            {\"messages\": […], …} → {\"ids\": […]}, rendered first; control tokens in the "
      "messages,\n            tools and documents stay plain text\n"
      "  render    {\"messages\": […], \"tools\": […], \"documents\": […], "
      "\"add_generation_prompt\": "
      "true} →\n            {\"text\": …}";
  program.usage = {"tokenize -M MODEL_DIR [-t TEMPLATE]", "render -M MODEL_DIR [-t TEMPLATE]"};
  program.examples = {
      "echo '{\"text\": \"Hello\"}' | fg-data tokenize -M ~/llama2",
      "fg-data render -M ~/llama2 -t configs/chat_templates/chatml.jinja < conversations.jsonl"};
  auto add = program.own.add_options();
  const auto word = [] { return boost::program_options::value<std::string>(); };
  add("model,M", word(), "folder with tokenizer.json and tokenizer_config.json");
  add("chat-template,t", word(), "Jinja file to use instead of the folder's own template");
  program.hidden.add_options()("job", word(), "");
  program.positional.add("job", 1);
  program.linked = {text::regex_library(), text::unicode_library()};
  return program;
}

/// The job's name, checked together with what it needs; all mistakes at once.
std::string checked_job(const app::Arguments& arguments) {
  std::string mistakes;
  const std::string job = text(arguments, "job");
  if (job.empty())
    mistakes = "missing argument: tokenize or render";
  else if (std::find(job_names.begin(), job_names.end(), job) == job_names.end())
    mistakes =
        "unknown job '" + job + "'; expected tokenize or render" + did_you_mean(job, job_names);
  if (text(arguments, "model").empty())
    mistakes += std::string(mistakes.empty() ? "" : "\n") + "missing option: -M MODEL_DIR";
  if (!mistakes.empty()) fail(ExitCode::usage, mistakes);
  return job;
}

void run(session::Session& session, const app::Arguments& arguments) {
  std::string job;
  std::optional<data_app::Jobs> jobs;
  session.together([&] {
    job = checked_job(arguments);
    jobs.emplace(text(arguments, "model"), text(arguments, "chat-template"));
  });
  data_app::answer_lines(session, [&](const std::string& line) {
    return job == "tokenize" ? jobs->tokenize(line) : jobs->render(line);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return app::run(argc, argv, describe(), run);
}
