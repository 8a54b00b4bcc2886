#include <cstdio>
#include <cstdlib>
#include <new>

#include <fg/app/program.hpp>
#include <fg/log/log.hpp>
#include <fg/session/signals.hpp>

#include "command_line.hpp"

namespace fg::app {
namespace {

/// One message on standard error, named by the program and, of several, the rank, and its code.
ExitCode report(const Program& program, const std::exception& exception,
                const std::string& where = "") {
  ExitCode code = ExitCode::bug;
  std::string message = exception.what();
  if (const auto* error = dynamic_cast<const Error*>(&exception)) {
    code = error->code();
    if (dynamic_cast<const session::PeerFailed*>(&exception) != nullptr) return code;
  } else if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    message = "out of memory";
  } else {
    message = "unexpected: " + message + "; please report this";
  }
  std::fputs((program.name + ": error" + where + ": " + message + "\n").c_str(), stderr);
  std::fflush(stderr);
  return code;
}

ExitCode run_body(session::Session& session, const Program& program, const Arguments& arguments,
                  const std::function<ExitCode(session::Session&, const Arguments&)>& body) {
  try {
    session.set_timeout(program.patience_s);
    session.together([&] {
      log::start({.level = *log::parse_level(text(arguments, "log-level")),
                  .file = session.is_first() ? text(arguments, "log-file") : std::string(),
                  .rank = session.rank(),
                  .ranks = session.size()});
    });
    return body(session, arguments);
  } catch (const std::exception& exception) {
    const ExitCode code =
        report(program, exception,
               session.size() > 1 ? " on rank " + std::to_string(session.rank()) : std::string());
    if (session.size() == 1 || session.failed_together()) return code;
    // The others may wait for this rank in a collective it will never reach.
    if (dynamic_cast<const session::PeerFailed*>(&exception) == nullptr) session.abort(code);
    session.leave_end_to_others(code);
  }
}

}  // namespace

void Program::take_argument(const char* argument) {
  hidden.add_options()(argument, word(), "");
  positional.add(argument, 1);
}

void Program::take_arguments(const char* argument) {
  hidden.add_options()(argument, words(), "");
  positional.add(argument, -1);
}

int run(int argc, char** argv, const Program& program,
        const std::function<void(session::Session&, const Arguments&)>& body) {
  return run_for_code(argc, argv, program,
                      [&](session::Session& session, const Arguments& arguments) {
                        body(session, arguments);
                        return ExitCode::done;
                      });
}

int run_for_code(int argc, char** argv, const Program& program,
                 const std::function<ExitCode(session::Session&, const Arguments&)>& body) {
  std::optional<Arguments> arguments;
  try {
    arguments = parse_command_line(argc, argv, program);
  } catch (const std::exception& exception) {
    if (!is_first_of_launch()) return static_cast<int>(ExitCode::usage);
    return static_cast<int>(report(program, exception));
  }
  if (!arguments) return static_cast<int>(ExitCode::done);
  try {
    session::watch_stop_signals();
    session::Session session(argc, argv);
    return static_cast<int>(run_body(session, program, *arguments, body));
  } catch (const std::exception& exception) {
    return static_cast<int>(report(program, exception));
  }
}

}  // namespace fg::app
