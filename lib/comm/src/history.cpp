#include <utility>

#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
#include <fg/comm/history.hpp>
#include <fg/session/doing.hpp>

namespace fg::comm {
namespace {

double seconds_of(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

}  // namespace

std::uint64_t History::begin(Operation operation) {
  const auto now = std::chrono::system_clock::now();
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[count_ % kept];
  entry = {count_, std::move(operation), now, std::nullopt};
  return count_++;
}

void History::end(std::uint64_t number) noexcept {
  const auto now = std::chrono::system_clock::now();
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[number % kept];
  if (entry.number == number) entry.ended = now;
}

void History::write(const std::filesystem::path& path, int world_rank) const {
  const session::Doing doing = session::doing();
  Json report = {
      {"rank", world_rank},         {"written", seconds_of(std::chrono::system_clock::now())},
      {"section", doing.section},   {"number", doing.number},
      {"waits_in", doing.waits_in}, {"waits_for", doing.waits_for},
      {"operations", Json::array()}};
  {
    const std::lock_guard lock(mutex_);
    for (std::uint64_t number = count_ < kept ? 0 : count_ - kept; number < count_; ++number) {
      const Entry& entry = entries_[number % kept];
      const Operation& operation = entry.operation;
      report["operations"].push_back(
          {{"number", number},
           {"operation", operation.name},
           {"tensor", operation.tensor},
           {"bytes", operation.bytes},
           {"peers", operation.peers},
           {"tag", operation.tag ? Json(*operation.tag) : Json()},
           {"begun", seconds_of(entry.begun)},
           {"ended", entry.ended ? Json(seconds_of(*entry.ended)) : Json()}});
    }
  }
  std::error_code ignored;  // what cannot be removed cannot be written either, and that is told
  std::filesystem::remove(path, ignored);
  write_synced(path, report.dump(1) + "\n");
}

}  // namespace fg::comm
