#include <algorithm>
#include <cstdio>

#include <fg/app/program.hpp>
#include <fg/base/error.hpp>
#include <fg/config/load.hpp>
#include <fg/config/write.hpp>
#include <fg/configured/learning_rate.hpp>

#include "catalogue.hpp"
#include "chain.hpp"
#include "curve.hpp"

namespace {

using namespace fg;
using app::text;
using Words = std::vector<std::string>;

const Words job_names = {"ls", "show", "refs", "graph", "schema"};

app::Program describe() {
  app::Program program;
  program.name = "fg-config";
  program.summary =
      "looks at the configurations of fg-train (docs/configuration.md).\n\n"
      "  ls      the configurations below configs/ and the folders given, with their titles\n"
      "  show    a configuration with all that it extends, and where each value comes from\n"
      "  refs    the files that it extends, as a tree\n"
      "  graph   the same as a graph; with --lr the learning rate over a run\n"
      "  schema  a JSON Schema (draft 2020-12) of configuration files, for editors";
  program.usage = {"ls [FOLDER…]",
                   "show CONFIG [--set KEY=VALUE]… [--json]",
                   "refs CONFIG",
                   "graph CONFIG [--format dot|svg]",
                   "graph CONFIG --lr [--max-steps N] [--set KEY=VALUE]… [--format text|svg]",
                   "schema"};
  program.examples = {
      "fg-config show configs/samantha/llama2_7b/2gpu_pp.yaml --set train.max_steps=10",
      "fg-config graph configs/samantha/llama2_7b/1gpu_minimum.yaml --format svg > chain.svg",
      "fg-config graph configs/quickstart.yaml --lr --max-steps 500"};
  auto add = program.own.add_options();
  add("set", app::words(),
      "show, graph: a key laid over the configuration, its value in YAML; may be repeated");
  add("json", "show: as JSON, for programs");
  add("lr", "graph: the learning rate of the run's steps");
  add("max-steps", app::word(), "graph --lr: the run's length, as fg-train has it");
  add("format", app::word(),
      "graph: dot (Graphviz; the default) or svg (a picture); with --lr text (the default) or svg");
  program.take_arguments("words");
  program.on_ranks = "only rank 0 answers";
  return program;
}

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
}

config::Loaded load(const std::string& file, const app::Arguments& arguments) {
  std::vector<config::Override> overrides;
  if (app::given(arguments, "max-steps"))
    overrides.push_back({"train.max_steps", text(arguments, "max-steps"), "--max-steps"});
  for (const std::string& set : app::texts(arguments, "set"))
    overrides.push_back(config::parse_set(set));
  return config::load(file, overrides);
}

void show(const config::Loaded& loaded, bool as_json) {
  if (!as_json) return print(config::to_yaml(loaded.values, true));
  const Json values = config::to_json(loaded.configuration);
  Json result;
  result["files"] = Json::array();
  for (const config::ChainFile& file : loaded.files) result["files"].push_back(file.path.string());
  for (const config::Value& value : loaded.values) {
    Json& entry = result["values"][value.key];
    entry["value"] = values.contains(value.key) ? values[value.key] : Json(nullptr);
    entry["origin"] = value.origin;
  }
  print(result.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void list(const Words& words) {
  std::vector<std::filesystem::path> folders(words.begin() + 1, words.end());
  if (std::filesystem::is_directory("configs")) folders.insert(folders.begin(), "configs");
  if (folders.empty())
    fail(ExitCode::usage, "there is no folder configs/ here; name a folder: fg-config ls FOLDER");
  print(config_app::catalogue(folders));
}

/// What goes together among the options of graph.
void check_graph(const std::string& job, const app::Arguments& arguments, app::Mistakes& mistakes) {
  const bool draws_lr = app::given(arguments, "lr");
  if (draws_lr && job != "graph") mistakes.add("--lr is an option of graph");
  if (!draws_lr && app::given(arguments, "max-steps")) mistakes.add("--max-steps goes with --lr");
  const std::string plain = draws_lr ? "text" : "dot";
  const std::string format = app::given(arguments, "format") ? text(arguments, "format") : plain;
  if (format != plain && format != "svg")
    mistakes.add("--format " + format + ": expected " + plain + " or svg" +
                 (draws_lr ? " with --lr" : ""));
}

/// The job's words, checked; all mistakes at once.
void check(const Words& words, const app::Arguments& arguments) {
  app::Mistakes mistakes;
  const std::string job = words.empty() ? "" : words.front();
  const bool takes_file = job == "show" || job == "refs" || job == "graph";
  if (app::is_known_job(job, job_names, mistakes) && takes_file && words.size() < 2)
    mistakes.add("missing argument: the CONFIG to " + job);
  const std::size_t most = takes_file ? 2 : 1;
  if (job != "ls" && words.size() > most)
    mistakes.add("one argument too many: '" + words[most] + "'");
  check_graph(job, arguments, mistakes);
  mistakes.throw_if_any();
}

std::string graph(const config::Loaded& loaded, const app::Arguments& arguments, int ranks) {
  const bool as_svg = text(arguments, "format") == "svg";
  if (!app::given(arguments, "lr"))
    return as_svg ? config_app::chain_svg(loaded.files) : config_app::chain_dot(loaded.files);
  const config_app::Curve curve = config_app::curve_of(
      loaded.configuration,
      std::max<std::int64_t>(ranks, configured::wanted_ranks(loaded.configuration)));
  return as_svg ? config_app::curve_svg(curve) : config_app::curve_text(curve);
}

void answer(const app::Arguments& arguments, int ranks) {
  const Words words = app::texts(arguments, "words");
  check(words, arguments);
  if (words[0] == "ls") return list(words);
  if (words[0] == "schema") return print(config::schema().dump(2) + "\n");
  const config::Loaded loaded = load(words[1], arguments);
  if (words[0] == "show") return show(loaded, app::given(arguments, "json"));
  if (words[0] == "refs") return print(config_app::chain_tree(loaded.files));
  print(graph(loaded, arguments, ranks));
}

void run(session::Session& session, const app::Arguments& arguments) {
  session.together([&] {
    if (session.is_first()) answer(arguments, session.size());
  });
}

}  // namespace

int main(int argc, char** argv) {
  return app::run(argc, argv, describe(), run);
}
