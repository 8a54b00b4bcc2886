#include <chrono>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <fg/session/pulse.hpp>
#include <fg/session/watchdog.hpp>
#include <fg/test/mpi_session.hpp>

namespace fg::session {
namespace {

using namespace std::chrono_literals;

Session& session() {
  return test::mpi_session();
}

TEST(Watchdog, LeavesAJobAloneThatGoesOn) {
  bool has_hung = false;
  {
    WatchdogOptions options;
    options.timeout_s = 2;
    options.on_hang = [&](const Verdict&) { has_hung = true; };
    const Watchdog watchdog(session(), options);
    enter_section("step", 2);
    for (std::uint64_t step = 1; step <= 30; ++step) {
      beat(step);
      std::this_thread::sleep_for(10ms);
      session().agree(ExitCode::done);
    }
  }
  EXPECT_FALSE(has_hung);
}

TEST(Watchdog, KnowsWhoIsBehind) {
  if (session().size() == 1) {
    const Watchdog watchdog(session(), {});
    EXPECT_EQ(culprit({0}), "");
    return;
  }
  const int last = session().size() - 1;
  {
    WatchdogOptions options;
    options.timeout_s = 60;
    const Watchdog watchdog(session(), options);
    enter_section("step", 60);
    beat(7);
    if (session().rank() != last) note_waiting(std::vector<int>{session().rank() + 1}, "recv");
    session().agree(ExitCode::done);
    std::this_thread::sleep_for(3s);  // two tables
    EXPECT_EQ(culprit({0}), "rank " + std::to_string(last) + " (" + session().hosts()[0] +
                                ") waits for nobody, is in 'step 7'");
    session().agree(ExitCode::done);
    done_waiting();
  }
  EXPECT_EQ(culprit({0}), "");
}

TEST(Session, KnowsTheHosts) {
  EXPECT_EQ(session().hosts().size(), static_cast<std::size_t>(session().size()));
}

TEST(Patience, LastsAsLongAsItLives) {
  const double before = session().timeout();
  {
    const Patience longer(session(), 5000);
    EXPECT_EQ(session().timeout(), 5000);
  }
  EXPECT_EQ(session().timeout(), before);
}

TEST(Session, CarriesLongTexts) {
  const std::string mine((std::size_t{20} << 20) + static_cast<std::size_t>(session().rank()), 'x');

  const auto texts = session().gather(mine);

  for (std::size_t rank = 0; rank < texts.size(); ++rank)
    EXPECT_EQ(texts[rank].size(), (std::size_t{20} << 20) + rank);
  EXPECT_EQ(session().broadcast(mine).size(), std::size_t{20} << 20);
}

}  // namespace
}  // namespace fg::session
