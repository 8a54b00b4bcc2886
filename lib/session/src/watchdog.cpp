#include "fg/session/watchdog.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include <mpi.h>

#include <fg/base/error.hpp>
#include <fg/log/log.hpp>
#include <fg/session/mpi_check.hpp>

#include "beat.hpp"
#include "deadline.hpp"
#include "mail.hpp"
#include "patience.hpp"

namespace fg::session {
namespace {

enum Tag : int { beat_tag = 1, table_tag, verdict_tag, ready_tag };

// A rank other than 0 blames rank 0 for its silence only after rank 0 would have blamed somebody.
constexpr double blames_first_after_s = 1.5;
constexpr double further_rank_s = 0.5;
constexpr double hooks_s = 3;
constexpr double wait_for_end_s = 6;
constexpr double process_ends_after_s = 10;

/// A verdict as bytes. One that is longer is cut.
struct VerdictMail {
  static constexpr std::size_t most_culprits = 64;
  std::int32_t count = 0;
  std::array<std::int32_t, most_culprits> culprits{};
  std::array<char, 3800> text{};
};

VerdictMail mail_of(const Verdict& verdict) {
  VerdictMail mail;
  const std::size_t count = std::min(verdict.culprits.size(), VerdictMail::most_culprits);
  mail.count = static_cast<std::int32_t>(count);
  std::copy_n(verdict.culprits.begin(), count, mail.culprits.begin());
  std::copy_n(verdict.text.begin(), std::min(verdict.text.size(), mail.text.size() - 1),
              mail.text.begin());
  return mail;
}

Verdict verdict_of(const VerdictMail& mail) {
  return {{mail.culprits.begin(), mail.culprits.begin() + mail.count}, mail.text.data()};
}

template <typename Content>
Content content_of(const Incoming& mail) {
  Content content;
  std::memcpy(&content, mail.content().data(), sizeof content);
  return content;
}

/// What MPI may still touch when the watchdog is gone, hence never freed. One a process.
struct Mails {
  std::vector<Incoming> beats;     // rank 0: of each other rank
  std::vector<Outgoing> tables;    // rank 0: to each other rank
  std::vector<Outgoing> own_beat;  // other ranks: to rank 0
  std::vector<Incoming> table;     // other ranks: from rank 0
  std::vector<Incoming> verdict;   // from anybody
  std::vector<Incoming> ready;     // from anybody
};

std::atomic<bool> has_one = false;

}  // namespace

class WatchdogThread {
public:
  WatchdogThread(Session& session, WatchdogOptions options);
  WatchdogThread(const WatchdogThread&) = delete;
  WatchdogThread& operator=(const WatchdogThread&) = delete;
  ~WatchdogThread();

  std::string culprit(const std::vector<int>& waited_for);

private:
  void open_mails();
  void run();
  void turn(Clock::time_point now);
  void receive(Clock::time_point now);
  void update_own_beat(double passed_s);
  void tell();
  void blame(Clock::time_point now);
  RankStates states_at(Clock::time_point now);
  [[noreturn]] void pronounce(const Verdict& verdict);
  [[noreturn]] void obey(const Verdict& verdict, int speaker);
  void run_hook(const Verdict& verdict);
  void leave();
  std::size_t index_of(int rank) const { return static_cast<std::size_t>(rank); }

  Session& session_;
  const WatchdogOptions options_;
  const int rank_;
  const int size_;
  const double interval_s_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  Mails& mails_;

  std::mutex mutex_;  // of what culprit() reads too
  RankStates states_;
  std::vector<Clock::time_point> heard_;  // rank 0: each rank; others: rank 0's table

  Beat own_;
  Clock::time_point last_turn_, last_beat_;
  std::mutex stop_mutex_;
  std::condition_variable stop_changed_;
  bool stops_ = false;
  std::thread thread_;
};

namespace {

std::mutex the_thread_mutex;
WatchdogThread* the_thread = nullptr;

}  // namespace

WatchdogThread::WatchdogThread(Session& session, WatchdogOptions options)
    : session_(session),
      options_(std::move(options)),
      rank_(session.rank()),
      size_(session.size()),
      interval_s_(std::clamp(options_.timeout_s / 6, 0.05, 1.0)),
      mails_(*new Mails),
      states_(index_of(size_)),
      heard_(index_of(size_)) {
  FG_CHECK(options_.timeout_s > 0);
  FG_CHECK(!has_one.exchange(true));
  session.agree(ExitCode::done);  // MPI's own call waits without end, so all must have come
  mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
  mpi_check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  open_mails();
  std::fill(heard_.begin(), heard_.end(), Clock::now());
  last_turn_ = Clock::now();
  last_beat_ = Clock::time_point();  // the first one is due
  {
    const std::lock_guard lock(the_thread_mutex);
    the_thread = this;
  }
  thread_ = start_without_signals([this] { run(); });
}

WatchdogThread::~WatchdogThread() {
  {
    const std::lock_guard lock(the_thread_mutex);
    the_thread = nullptr;
  }
  {
    const std::lock_guard lock(stop_mutex_);
    stops_ = true;
  }
  stop_changed_.notify_all();
  thread_.join();
  has_one = false;
}

void WatchdogThread::open_mails() {
  const std::size_t table_bytes = states_.size() * sizeof(RankState);
  for (int peer = 1; peer < size_ && rank_ == 0; ++peer) {
    mails_.beats.emplace_back(comm_, peer, beat_tag, sizeof(Beat));
    mails_.tables.emplace_back(comm_, peer, table_tag, table_bytes);
  }
  if (rank_ != 0) {
    mails_.own_beat.emplace_back(comm_, 0, beat_tag, sizeof(Beat));
    mails_.table.emplace_back(comm_, 0, table_tag, table_bytes);
  }
  mails_.verdict.emplace_back(comm_, MPI_ANY_SOURCE, verdict_tag, sizeof(VerdictMail));
  mails_.ready.emplace_back(comm_, MPI_ANY_SOURCE, ready_tag, 1);
}

void WatchdogThread::run() {
  try {
    std::unique_lock lock(stop_mutex_);
    while (!stops_) {
      lock.unlock();
      turn(Clock::now());
      lock.lock();
      stop_changed_.wait_for(lock, std::chrono::duration<double>(std::min(interval_s_ / 4, 0.05)),
                             [this] { return stops_; });
    }
    leave();
  } catch (const std::exception& exception) {
    log::warning(std::string("hangs are not seen from here on: ") + exception.what());
  }
}

void WatchdogThread::turn(Clock::time_point now) {
  receive(now);
  const double gap = std::chrono::duration<double>(now - last_turn_).count();
  last_turn_ = now;
  // This process stood still, with the others perhaps: nobody's silence before counts.
  if (gap > std::max(1.0, 3 * interval_s_)) {
    const std::lock_guard lock(mutex_);
    std::fill(heard_.begin(), heard_.end(), now);
  }
  const double passed_s = std::chrono::duration<double>(now - last_beat_).count();
  if (passed_s < interval_s_) return;
  last_beat_ = now;
  update_own_beat(std::min(passed_s, 2 * interval_s_));
  tell();
  blame(now);
}

void WatchdogThread::receive(Clock::time_point now) {
  if (const auto speaker = mails_.verdict[0].take())
    obey(verdict_of(content_of<VerdictMail>(mails_.verdict[0])), *speaker);
  const std::lock_guard lock(mutex_);
  for (Incoming& mail : mails_.beats)
    while (const auto rank = mail.take()) {
      states_[index_of(*rank)].beat = content_of<Beat>(mail);
      heard_[index_of(*rank)] = now;
    }
  for (Incoming& mail : mails_.table)
    while (mail.take()) {
      std::memcpy(states_.data(), mail.content().data(), mail.content().size());
      heard_[0] = now;
    }
}

void WatchdogThread::update_own_beat(double passed_s) {
  Beat beat = read_pulse();
  beat.still_s = beat.progress == own_.progress ? own_.still_s + passed_s : 0;
  own_ = beat;
}

void WatchdogThread::tell() {
  if (rank_ != 0) {
    mails_.own_beat[0].send(std::as_bytes(std::span(&own_, 1)));
    return;
  }
  const std::lock_guard lock(mutex_);
  states_[0].beat = own_;
  heard_[0] = Clock::now();
  for (std::size_t rank = 0; rank < states_.size(); ++rank)
    states_[rank].silent_s = seconds_since(heard_[rank]);
  for (Outgoing& mail : mails_.tables) mail.send(std::as_bytes(std::span(states_)));
}

void WatchdogThread::blame(Clock::time_point now) {
  RankStates states = states_at(now);
  double timeout_s = options_.timeout_s;
  if (rank_ != 0) {  // rank 0 hears the others; this rank hears rank 0 alone
    timeout_s += blames_first_after_s + further_rank_s * std::min(rank_ - 1, 3);
    if (!is_silent(states[0], timeout_s)) return;
    for (std::size_t rank = 1; rank < states.size(); ++rank) states[rank].silent_s = 0;
  }
  if (const auto verdict = judge(states, session_.hosts(), timeout_s)) pronounce(*verdict);
}

/// With the time since the last table counted.
RankStates WatchdogThread::states_at(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  RankStates states = states_;
  const double age = std::chrono::duration<double>(now - heard_[0]).count();
  for (std::size_t rank = 0; rank < states.size(); ++rank)
    states[rank].silent_s = rank_ == 0  ? seconds_since(heard_[rank])
                            : rank == 0 ? age
                                        : states[rank].silent_s;
  return states;
}

void WatchdogThread::run_hook(const Verdict& verdict) {
  if (!options_.on_hang) return;
  try {
    options_.on_hang(verdict);
  } catch (const std::exception& exception) {
    log::warning(std::string("while the job ends: ") + exception.what());
  }
}

void WatchdogThread::pronounce(const Verdict& verdict) {
  end_process_after(process_ends_after_s, ExitCode::hang);
  const VerdictMail mail = mail_of(verdict);
  std::vector<Outgoing> sends;
  for (int peer = 0; peer < size_; ++peer)
    if (peer != rank_) sends.emplace_back(comm_, peer, verdict_tag, sizeof mail);
  for (Outgoing& each : sends) each.send(std::as_bytes(std::span(&mail, 1)));
  log::error(verdict.text);
  run_hook(verdict);
  const auto begin = Clock::now();
  const int others = size_ - 1 - static_cast<int>(verdict.culprits.size());
  for (int ready = 0; ready < others && seconds_since(begin) < hooks_s;)
    if (mails_.ready[0].take())
      ++ready;
    else
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  session_.abort(ExitCode::hang);
}

void WatchdogThread::obey(const Verdict& verdict, int speaker) {
  end_process_after(process_ends_after_s, ExitCode::hang);
  run_hook(verdict);
  Outgoing ready(comm_, speaker, ready_tag, 1);
  const std::byte nothing{};
  ready.send(std::span(&nothing, 1));
  const auto begin = Clock::now();
  while (seconds_since(begin) < wait_for_end_s) {
    ready.is_free();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  session_.abort(ExitCode::hang);
}

void WatchdogThread::leave() {
  own_ = read_pulse();
  own_.leaves = 1;
  const auto begin = Clock::now();
  const auto is_under_way = [&] {
    bool is_free = true;
    for (Outgoing& mail : mails_.own_beat) is_free = mail.is_free() && is_free;
    for (Outgoing& mail : mails_.tables) is_free = mail.is_free() && is_free;
    return !is_free && seconds_since(begin) < 0.1;
  };
  while (is_under_way()) std::this_thread::yield();
  tell();
  while (is_under_way()) std::this_thread::yield();
  for (auto* mails : {&mails_.beats, &mails_.table, &mails_.verdict, &mails_.ready})
    for (Incoming& mail : *mails) mail.cancel();
}

std::string WatchdogThread::culprit(const std::vector<int>& waited_for) {
  const RankStates states = states_at(Clock::now());
  const double silent_s = 3 * interval_s_ + 1;
  // What this rank knows of others it has from rank 0: without that it is out of date.
  const bool is_cut_off = rank_ != 0 && is_silent(states[0], silent_s);
  return find_culprit(states, session_.hosts(), is_cut_off ? std::vector<int>{0} : waited_for,
                      silent_s);
}

Watchdog::Watchdog(Session& session, WatchdogOptions options) {
  if (session.size() > 1) thread_ = std::make_unique<WatchdogThread>(session, std::move(options));
}

Watchdog::~Watchdog() = default;

std::string culprit(const std::vector<int>& waited_for) {
  const std::lock_guard lock(the_thread_mutex);
  if (the_thread == nullptr) return "";
  return the_thread->culprit(waited_for);
}

std::string culprit_clause(const std::vector<int>& waited_for) {
  const std::string text = culprit(waited_for);
  return text.empty() ? "" : "; " + text;
}

}  // namespace fg::session
