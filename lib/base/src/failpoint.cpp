#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <string>
#include <thread>

#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

namespace fg::detail {
namespace {

struct Failpoint {
  std::string name;
  std::string action;
  long countdown_from = 1;
  std::atomic<long> reached{0};
};

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

/// Cuts the first comma-separated word off `list`.
std::string_view next_word(std::string_view& list) {
  const std::size_t end = list.find(',');
  const std::string_view word = list.substr(0, end);
  list = end == std::string_view::npos ? std::string_view() : list.substr(end + 1);
  return word;
}

std::deque<Failpoint>& failpoints() {
  static std::deque<Failpoint> all = [] {
    std::deque<Failpoint> parsed;
    for (std::string_view list = environment("FG_FAIL"); !list.empty();) {
      std::string_view word = next_word(list);
      Failpoint& point = parsed.emplace_back();
      if (const std::size_t at = word.find('@'); at != std::string_view::npos) {
        point.countdown_from = std::atol(std::string(word.substr(at + 1)).c_str());
        word = word.substr(0, at);
      }
      const std::size_t colon = word.find(':');
      point.name = word.substr(0, colon);
      point.action =
          colon == std::string_view::npos ? "throw" : std::string(word.substr(colon + 1));
    }
    return parsed;
  }();
  return all;
}

void act(const Failpoint& point) {
  if (point.action == "kill") ::kill(::getpid(), SIGKILL);
  if (point.action == "stop") {
    ::kill(::getpid(), SIGSTOP);
    return;
  }
  if (point.action.starts_with("signal=")) {
    ::kill(::getpid(), std::atoi(point.action.c_str() + 7));
    return;
  }
  if (point.action == "abort") std::abort();
  if (point.action == "exit") ::_exit(1);
  if (point.action.starts_with("sleep=")) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::atof(point.action.c_str() + 6)));
    return;
  }
  fail(ExitCode::cannot_save, "failpoint " + point.name + " reached");
}

}  // namespace

void fail_point_reached(std::string_view name) {
  for (Failpoint& point : failpoints())
    if (point.name == name && ++point.reached == point.countdown_from) act(point);
}

bool is_planted(std::string_view name) {
  for (std::string_view list = environment("FG_PLANT"); !list.empty();)
    if (next_word(list) == name) return true;
  return false;
}

}  // namespace fg::detail
