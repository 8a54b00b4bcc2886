#include <cerrno>
#include <cstdio>
#include <exception>

#include <fg/app/program.hpp>
#include <fg/base/error.hpp>
#include <fg/log/log.hpp>
#include <fg/session/signals.hpp>

#include "options.hpp"
#include "report.hpp"

namespace {

using namespace fg;

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0)
    fail(ExitCode::cannot_save, "cannot write to standard output: " + errno_text(errno));
}

bench::Outcome measure(const bench::Options& options, const bench::Row& row) {
  bench::Outcome outcome;
  engine::BenchResult result = engine::run_bench(row.task);
  session::check_for_stop();
  if (options.measures_light) outcome.light = engine::run_light(row.task, result.kept_layers);
  outcome.result = std::move(result);
  return outcome;
}

/// A table goes on where one of its rows fails (with memory that is too small, say).
bench::Outcome measure_one_of_many(const bench::Options& options, const bench::Row& row) {
  if (options.rows.size() == 1) return measure(options, row);
  bench::Outcome outcome;
  try {
    return measure(options, row);
  } catch (const Error& error) {
    if (error.code() == ExitCode::interrupted || error.code() == ExitCode::terminated) throw;
    outcome.error = error.what();
  } catch (const std::exception& error) {
    outcome.error = error.what();
  }
  return outcome;
}

void run(session::Session& session, const app::Arguments& arguments) {
  session.together([&] {
    const bench::Options options = bench::read_options(arguments);
    if (session.size() > 1)
      fail(ExitCode::usage,
           "a bench has one rank; " + std::to_string(session.size()) + " were started");
    Json rows = Json::array();
    std::string failed;
    print(bench::table_head());
    for (const bench::Row& row : options.rows) {
      session::check_for_stop();
      const bench::Outcome outcome = measure_one_of_many(options, row);
      if (!outcome.result) failed += (failed.empty() ? "" : ", ") + row.name;
      rows.push_back(bench::as_json(options, row, outcome));
      print(bench::table_line(rows.back()) + bench::phases_line(rows.back()));
      if (!options.json.empty()) bench::write_json(options.json, rows);
    }
    if (!failed.empty()) fail(ExitCode::rank_lost, "failed: " + failed);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return app::run(argc, argv, bench::describe(), run);
}
