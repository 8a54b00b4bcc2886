// session_hang CASE FOLDER [RANK]: a job that ends badly on purpose, in one of several ways;
// tests/jobs/test_session_hang.py runs it. Prints "rank R pid P" for each rank first.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include <unistd.h>

#include <fg/app/program.hpp>
#include <fg/session/placement.hpp>
#include <fg/session/pulse.hpp>
#include <fg/session/session.hpp>
#include <fg/session/threads.hpp>
#include <fg/session/watchdog.hpp>

namespace {

using namespace fg::session;
using namespace std::chrono_literals;

struct Case {
  std::string name;
  std::string folder;
  int culprit = 0;
};

/// A step in which every rank does a little and meets the others.
void step(Session& session, std::uint64_t number) {
  beat(number);
  std::this_thread::sleep_for(5ms);
  session.agree(fg::ExitCode::done);
}

void watched(Session& session, const Case& how) {
  WatchdogOptions options;
  options.timeout_s = 3;
  options.on_hang = [&](const Verdict& verdict) {
    std::ofstream(how.folder + "/hang-" + std::to_string(session.rank()) + ".txt") << verdict.text;
    if (how.name == "hook_hangs") std::this_thread::sleep_for(1h);
  };
  const Watchdog watchdog(session, options);
  enter_section("step", 3);
  for (std::uint64_t number = 1; how.name != "finish" || number <= 20; ++number) {
    if (session.rank() == how.culprit && number == 20) {
      std::ofstream(how.folder + "/ready") << "now";
      for (volatile std::uint64_t turns = 0; how.name == "loop" || how.name == "hook_hangs";)
        turns = turns + 1;
      if (how.name == "throw") fg::fail(fg::ExitCode::data, "row 7 is bad");
    }
    step(session, number);
  }
}

/// What a rank has to end before it can say why it leaves.
struct SlowEnd {
  std::chrono::milliseconds time;
  ~SlowEnd() { std::this_thread::sleep_for(time); }
};

void unwatched(Session& session, const Case& how) {
  session.set_timeout(1);
  const SlowEnd end{how.name == "slow_end" && session.is_first() ? 2500ms
                                                                 : 0ms};  // mpirun kills after 1 s
  for (std::uint64_t number = 1; number < 5; ++number) step(session, number);
  const bool is_culprit = session.rank() == how.culprit;
  if ((how.name == "sleep" || how.name == "slow_end") && is_culprit)
    std::this_thread::sleep_for(1h);
  if (how.name == "slow" && is_culprit) std::this_thread::sleep_for(700ms);
  // Rank 0 comes late, then waits for the culprit: those that came early must not blame rank 0.
  if (how.name == "chain")
    std::this_thread::sleep_for(is_culprit                               ? 1h
                                : how.culprit == 2 && session.is_first() ? 700ms
                                                                         : 0ms);
  if (how.name == "another" && is_culprit) session.gather("text");
  session.agree(fg::ExitCode::done);
}

void measure(Session& session) {
  for (int i = 0; i < 200; ++i) session.agree(fg::ExitCode::done);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 5000; ++i) session.agree(fg::ExitCode::done);
  const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin);
  if (session.is_first()) std::printf("agree: %.2f us\n", took.count() / 5000 * 1e6);
}

void run(Session& session, const Case& how) {
  const auto told = session.gather("rank " + std::to_string(session.rank()) + " pid " +
                                   std::to_string(::getpid()) + "\n");
  for (const std::string& line : told) std::fputs(line.c_str(), stdout);
  std::fflush(stdout);
  if (how.name == "speed") return measure(session);
  if (how.name == "threads") {
    const Threads threads = share_cores(session, find_placement(session));
    for (const std::string& note : session.gather(threads.note)) std::printf("%s\n", note.c_str());
    return;
  }
  if (how.name == "stays") {
    session.set_timeout(1);
    if (session.rank() == how.culprit) std::this_thread::sleep_for(1h);
    return;
  }
  if (how.name == "sleep" || how.name == "slow" || how.name == "chain" || how.name == "another" ||
      how.name == "slow_end")
    unwatched(session, how);
  else
    watched(session, how);
}

/// As the suite's programs run and end.
int run_as_program(int argc, char** argv, const Case& how) {
  fg::app::Program program;
  program.name = "session_hang";
  for (const char* argument : {"case", "folder", "culprit"}) program.take_argument(argument);
  return fg::app::run(argc, argv, program,
                      [&](Session& session, const fg::app::Arguments&) { run(session, how); });
}

}  // namespace

int main(int argc, char** argv) {
  const Case how{argv[1], argc > 2 ? argv[2] : ".", argc > 3 ? std::atoi(argv[3]) : -1};
  if (how.name == "slow_end") return run_as_program(argc, argv, how);
  Session session(argc, argv);
  try {
    run(session, how);
    return 0;
  } catch (const PeerFailed& error) {
    session.leave_end_to_others(error.code());
  } catch (const fg::Error& error) {
    std::fprintf(stderr, "error on rank %d: %s\n", session.rank(), error.what());
    session.abort(error.code());
  }
}
