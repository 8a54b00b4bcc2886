#include <cerrno>
#include <cstdio>
#include <optional>

#include <fg/app/program.hpp>
#include <fg/base/error.hpp>
#include <fg/base/json.hpp>
#include <fg/base/units.hpp>
#include <fg/device/device.hpp>
#include <fg/infer/load.hpp>
#include <fg/session/placement.hpp>
#include <fg/session/signals.hpp>
#include <fg/session/threads.hpp>

#include "logits.hpp"
#include "loss.hpp"
#include "options.hpp"

namespace {

using namespace fg;

/// The names are those of metrics.jsonl.
std::string as_json(const eval::Options& options, const eval::Loss& loss) {
  Json result;
  result["model"] = options.model.string();
  result["data"] = options.data.string();
  result["split"] = options.split;
  result["train_on"] = data::name_of(options.train_on);
  result["eval_loss"] = loss.loss;
  result["eval_perplexity"] = loss.perplexity;
  result["eval_tokens"] = loss.tokens;
  result["documents"] = loss.documents;
  result["rows"] = loss.rows;
  result["seconds"] = loss.seconds;
  return result.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string as_lines(const eval::Loss& loss) {
  char numbers[96];
  std::snprintf(numbers, sizeof numbers, "loss        %.5f\nperplexity  %.4f\n", loss.loss,
                loss.perplexity);
  return std::string(numbers) + "tokens      " +
         with_thousands(static_cast<std::uint64_t>(loss.tokens)) + "\n";
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
    fail(ExitCode::cannot_save, "cannot write to standard output: " + errno_text(errno));
}

void run(session::Session& session, const app::Arguments& arguments) {
  eval::Options options;
  const auto read = [&] { options = eval::read_options(arguments); };
  // A mistake on the command line is told once.
  session.together([&] {
    if (session.is_first()) read();
  });
  // Ranks with slow devices come late, and nobody knows how late.
  const session::Patience patience(session, app::without_end);
  const session::Placement ranks = session::find_placement(session);
  const session::Threads threads = session::share_cores(session, ranks);
  device::use_threads(threads.count);
  const int device_turn = session::find_device_turn(session, ranks, device::visible_gpus);
  std::optional<model::Model> model;
  session.together([&] {
    read();
    const auto placement = infer::place(options.devices, options.dtype, device_turn);
    model.emplace(infer::load_model(options.model, placement));
    session::check_for_stop();
  });
  if (!options.logits_out.empty())
    eval::write_logits(session, *model, options.input_ids, options.logits_out);
  if (options.data.empty()) return;
  const eval::Loss loss = eval::measure_loss(session, *model, options);
  session.together([&] {
    if (session.is_first()) print(options.json ? as_json(options, loss) : as_lines(loss));
  });
}

}  // namespace

int main(int argc, char** argv) {
  return app::run(argc, argv, eval::describe(), run);
}
