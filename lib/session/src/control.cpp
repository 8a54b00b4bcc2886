#include "control.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/session/agreement.hpp>
#include <fg/session/idle_time.hpp>
#include <fg/session/mpi_check.hpp>
#include <fg/session/pulse.hpp>
#include <fg/session/session.hpp>
#include <fg/session/watchdog.hpp>

#include "patience.hpp"

namespace fg::session {
namespace {

constexpr int up_tag = 1;    // to rank 0
constexpr int down_tag = 2;  // from rank 0

// Rank 0 knows who is missing, so it speaks first; where it is silent, rank 1 speaks.
constexpr double grace_s = 3;
constexpr double further_grace_s = 5;

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
  return text;
}

std::string describe(const Header& header) {
  return std::string(name_of(header.kind)) + " number " + std::to_string(header.number);
}

std::uint64_t combine(Kind kind, std::uint64_t one, std::uint64_t other) {
  switch (kind) {
    case Kind::agree:
      return std::max(one, other);
    case Kind::smallest:
      return std::min(one, other);
    case Kind::united:
      return one | other;
    default:
      return one;
  }
}

}  // namespace

Control::Control(MPI_Comm comm) : comm_(comm) {
  mpi_check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  mpi_check(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
  mpi_check(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
}

Control::~Control() {
  MPI_Comm_free(&comm_);
}

Control::Told Control::meet(Kind kind, std::uint64_t value, const std::string& text,
                            double timeout_s) {
  const Header own = {kind, number_++, value, 0};
  if (rank_ == 0) return lead(own, text, timeout_s);
  return follow(own, text, timeout_s);
}

std::vector<int> Control::missing(const Letters& letters) const {
  std::vector<int> ranks;
  for (const auto& letter : letters)
    if (!letter->advance()) ranks.push_back(letter->peer());
  return ranks;
}

void Control::send(int peer, const Header& header, const std::string& text) {
  sends_.push_back(std::make_unique<Letter>(comm_, peer, down_tag, header, text));
}

Control::Told Control::lead(const Header& own, const std::string& text, double timeout_s) {
  Letters letters;
  for (int peer = 1; peer < size_; ++peer)
    letters.push_back(std::make_unique<Letter>(comm_, peer, up_tag));
  hear_all(letters, own, timeout_s);
  Told told;
  told.value = own.value;
  if (own.kind == Kind::gather) told.texts.push_back(text);
  for (const auto& letter : letters) {
    const Header& theirs = letter->header();
    if (theirs.kind != own.kind || theirs.number != own.number)
      end_meeting(own, letters, static_cast<int>(ExitCode::ranks_disagree),
                  describe_ranks({letter->peer()}, hosts_) +
                      " is at another meeting of all ranks (" + describe(theirs) +
                      ") than rank 0 (" + describe(own) + ")");
    told.value = combine(own.kind, told.value, theirs.value);
    if (own.kind == Kind::gather) told.texts.push_back(letter->text());
  }
  const bool is_broadcast = own.kind == Kind::broadcast;
  for (int peer = 1; peer < size_; ++peer)
    send(peer, {own.kind, own.number, told.value, 0}, is_broadcast ? text : std::string());
  finish_sends(own, timeout_s);
  if (is_broadcast) told.text = text;
  return told;
}

void Control::hear_all(Letters& letters, const Header& own, double timeout_s) {
  IdleTime idle_time;
  auto last_word = Clock::now();
  std::size_t moved = 0;
  LongWait wait(name_of(own.kind));
  while (true) {
    bool is_done = true;
    std::size_t moved_now = 0;
    for (const auto& letter : letters) {
      is_done = letter->advance() && is_done;
      moved_now += letter->moved();
    }
    if (is_done) return;
    if (moved_now != moved) idle_time.moved();
    moved = moved_now;
    const double idle = idle_time.seconds();
    if (idle > timeout_s) {
      const std::vector<int> absent = missing(letters);
      end_meeting(own, letters, static_cast<int>(ExitCode::hang),
                  describe_ranks(absent, hosts_) + (absent.size() == 1 ? " has" : " have") +
                      " not come to a meeting of all ranks (" + describe(own) + ") for " +
                      seconds_text(idle) + culprit_clause(absent));
    }
    wait.note(idle, [&] { return missing(letters); });
    // Who has come knows by this that rank 0 is there and waits, too.
    if (seconds_since(last_word) > timeout_s / 4) {
      last_word = Clock::now();
      for (const auto& letter : letters)
        if (letter->advance()) send(letter->peer(), {Kind::waiting, own.number, 0, 0}, "");
    }
    pause_after(idle);
  }
}

void Control::finish_sends(const Header& own, double timeout_s) {
  IdleTime idle_time;
  LongWait wait(name_of(own.kind));
  for (std::size_t first = 0; first < sends_.size();) {
    if (sends_[first]->advance()) {
      ++first;
      continue;
    }
    const double idle = idle_time.seconds();
    if (idle > timeout_s) {
      const std::vector<int> absent = missing(sends_);
      fail(ExitCode::hang, describe_ranks(absent, hosts_) +
                               " did not take the answer of a meeting " + "of all ranks (" +
                               describe(own) + ") for " + seconds_text(idle) +
                               culprit_clause(absent));
    }
    wait.note(idle, [&] { return missing(sends_); });
    pause_after(idle);
  }
  sends_.clear();
}

void Control::end_meeting(const Header& own, const Letters& letters, int code,
                          const std::string& why) {
  for (const auto& letter : letters)
    if (letter->advance())
      send(letter->peer(), {Kind::verdict, own.number, static_cast<std::uint64_t>(code), 0}, "");
  const auto begin = Clock::now();
  while (!missing(sends_).empty() && seconds_since(begin) < 1) pause_after(seconds_since(begin));
  fail(static_cast<ExitCode>(code), why);
}

Control::Told Control::follow(const Header& own, const std::string& text, double timeout_s) {
  Letter up(comm_, 0, up_tag, own, text);
  auto down = std::make_unique<Letter>(comm_, 0, down_tag);
  IdleTime idle_time;
  std::size_t moved = 0;
  LongWait wait(name_of(own.kind));
  while (true) {
    const bool is_sent = up.advance();
    const bool is_answered = down->advance();
    if (is_answered && down->header().kind == Kind::verdict)
      throw PeerFailed(static_cast<ExitCode>(down->header().value));
    if (is_answered && down->header().kind == Kind::waiting) {
      down = std::make_unique<Letter>(comm_, 0, down_tag);
      idle_time.moved();
      continue;
    }
    if (is_sent && is_answered) break;
    if (up.moved() + down->moved() != moved) idle_time.moved();
    moved = up.moved() + down->moved();
    const double idle = idle_time.seconds();
    if (idle > timeout_s + (rank_ == 1 ? grace_s : further_grace_s))
      fail(ExitCode::hang, describe_ranks({0}, hosts_) + " has not answered at a meeting of all " +
                               "ranks (" + describe(own) + ") for " + seconds_text(idle) +
                               culprit_clause({0}));
    wait.note(idle, [] { return std::vector<int>{0}; });
    pause_after(idle);
  }
  Told told;
  told.value = down->header().value;
  told.text = down->text();
  return told;
}

}  // namespace fg::session
