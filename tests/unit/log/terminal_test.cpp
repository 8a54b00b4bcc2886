#include "terminal.hpp"

#include <array>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fg/log/log.hpp>
#include <fg/log/progress.hpp>

namespace fg::log {
namespace {

/// Standard error as a terminal of 80 columns, whose output can be read.
class FakeTerminal {
public:
  FakeTerminal() : main_(::posix_openpt(O_RDWR | O_NOCTTY)), before_(::dup(STDERR_FILENO)) {
    EXPECT_EQ(::grantpt(main_), 0);
    EXPECT_EQ(::unlockpt(main_), 0);
    const int terminal = ::open(::ptsname(main_), O_RDWR | O_NOCTTY);
    const winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(::ioctl(terminal, TIOCSWINSZ, &size), 0);
    ::dup2(terminal, STDERR_FILENO);
    ::close(terminal);
    start({});
  }
  ~FakeTerminal() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
    ::close(main_);
  }
  /// What was sent so far, which is not nothing. The kernel may hand it over in pieces.
  std::string sent() {
    std::string text;
    pollfd more{.fd = main_, .events = POLLIN, .revents = 0};
    do {
      std::array<char, 8192> piece{};
      const ssize_t count = ::read(main_, piece.data(), piece.size());
      if (count <= 0) break;
      text.append(piece.data(), static_cast<std::size_t>(count));
    } while (::poll(&more, 1, 100) > 0);
    return text;
  }

private:
  int main_;
  int before_;
};

TEST(Terminal, PutsLinesAboveTheBar) {
  EXPECT_EQ(terminal::above_bar("line\n", ""), "line\n");
  EXPECT_EQ(terminal::above_bar("line\n", "[##..]"), "\r\033[Kline\n[##..]");
}

TEST(Terminal, KeepsTheBarBelowTheLinesOfTheLog) {
  FakeTerminal terminal;
  {
    Progress progress("training", 1000, Amount::steps, 250);
    const std::string bar = terminal.sent();
    EXPECT_EQ(bar, "\r\033[K[######..................] training 250 of 1,000 steps (25 %)");

    info("a line");
    const std::string after = terminal.sent();

    EXPECT_TRUE(after.starts_with("\r\033[K20")) << after;
    EXPECT_TRUE(after.ends_with("info: a line\r\n" + bar.substr(4))) << after;
    progress.finish();
    EXPECT_TRUE(terminal.sent().starts_with("\r\033[K20"));
  }
  info("alone");
  EXPECT_TRUE(terminal.sent().starts_with("20"));
}

TEST(Terminal, CutsABarThatWouldWrap) {
  FakeTerminal terminal;
  const Progress progress(std::string(100, 'x'), 10, Amount::steps);

  EXPECT_EQ(terminal.sent().size(), 4 + 79U);
}

TEST(Terminal, EndsTheBarsLineWhenAJobIsCut) {
  FakeTerminal terminal;
  { const Progress progress("training", 10, Amount::steps); }

  EXPECT_TRUE(terminal.sent().ends_with("(0 %)\r\n"));
}

TEST(Progress, CountsStepsAndLeavesEarlierPartsOutOfTheRate) {
  Progress progress("training", 1000, Amount::steps, 250);
  EXPECT_EQ(progress.line(), "training 250 of 1,000 steps (25 %)");

  progress.advance(750);

  EXPECT_TRUE(progress.line().starts_with("training 1,000 of 1,000 steps (100 %), "));
  EXPECT_TRUE(progress.line().ends_with(" steps/s")) << progress.line();
}

}  // namespace
}  // namespace fg::log
