#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/data/prefetcher.hpp>

namespace fg::data {

struct Prefetcher::State {
  NextRows next_rows;
  MakeRow make_row;
  std::size_t depth;

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::vector<Row>> made;
  std::exception_ptr failure;
  bool ended = false;    // the thread will make no more
  bool stopped = false;  // nobody wants more
  double waited = 0;     // of the caller's thread alone
  std::jthread thread;   // last: joined before the rest goes

  void work() {
    try {
      while (make_one()) {
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
  }

  /// False at the end, or if nobody wants more.
  bool make_one() {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return stopped || made.size() < depth; });
      if (stopped) return false;
    }
    const std::vector<RowId> wanted = next_rows();
    if (wanted.empty()) return false;
    std::vector<Row> rows;
    for (const RowId& id : wanted) {
      rows.push_back(make_row(id));
      const std::lock_guard lock(mutex);
      if (stopped) return false;
    }
    const std::lock_guard lock(mutex);
    made.push_back(std::move(rows));
    changed.notify_all();
    return true;
  }
};

Prefetcher::Prefetcher(NextRows next_rows, MakeRow make_row, std::size_t depth)
    : state_(std::make_unique<State>()) {
  FG_CHECK(depth >= 1);
  state_->next_rows = std::move(next_rows);
  state_->make_row = std::move(make_row);
  state_->depth = depth;
  state_->thread = std::jthread([state = state_.get()] { state->work(); });
}

Prefetcher::Prefetcher(NextRows next_rows, EpochPlans& plans, std::size_t depth)
    : Prefetcher(
          std::move(next_rows),
          [&plans](const RowId& id) {
            return data::make_row(plans.set(), *plans.at(id.epoch), id.row);
          },
          depth) {}

Prefetcher::~Prefetcher() {
  const std::lock_guard lock(state_->mutex);
  state_->stopped = true;
  state_->changed.notify_all();
}

std::vector<Row> Prefetcher::next() {
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return !state_->made.empty() || state_->ended; });
  state_->waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!state_->made.empty()) {
    std::vector<Row> rows = std::move(state_->made.front());
    state_->made.pop_front();
    state_->changed.notify_all();
    return rows;
  }
  if (state_->failure) std::rethrow_exception(state_->failure);
  return {};
}

double Prefetcher::wait_seconds() const noexcept {
  return state_->waited;
}

}  // namespace fg::data
