#include "sums.hpp"

#include <utility>

#include <ATen/Parallel.h>
#include <omp.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

#include "../describe.hpp"

namespace fg::comm {

struct Sums::Job {
  at::Tensor values;
  std::shared_ptr<Shared> shared;
  Operation operation;
  std::uint64_t number = 0;

  std::mutex mutex;
  std::condition_variable changed;
  bool is_done = false;
  std::exception_ptr error;

  void complete(std::exception_ptr thrown) {
    const std::lock_guard lock(mutex);
    error = std::move(thrown);
    is_done = true;
    changed.notify_all();
  }
};

class Sums::Begun final : public Transfer {
public:
  explicit Begun(std::shared_ptr<Job> job) : job_(std::move(job)) {}

  bool advance() override {
    const std::lock_guard lock(job_->mutex);
    if (job_->error) std::rethrow_exception(job_->error);
    return job_->is_done || is_early();
  }
  /// The thread's own waits have an end, hence this has one.
  void finish(const Waiting&) override {
    std::unique_lock lock(job_->mutex);
    job_->changed.wait(lock, [&] { return job_->is_done || is_early(); });
    if (job_->error) std::rethrow_exception(job_->error);
  }
  std::size_t moved() const noexcept override { return 0; }
  int world_peer() const noexcept override { return job_->operation.peers.front(); }

private:
  static bool is_early() {
    static const bool is_planted = fault_planted("comm.async_sum_early");
    return is_planted;
  }

  std::shared_ptr<Job> job_;
};

Sums::Sums(Add add) : add_(std::move(add)) {}

Sums::~Sums() {
  end();
}

std::unique_ptr<Transfer> Sums::begin(const at::Tensor& values, const Waiting& waiting) {
  auto job = std::make_shared<Job>();
  job->values = values;
  job->shared = waiting.shared().shared_from_this();
  job->operation = waiting.operation();
  job->number = waiting.number();
  {
    const std::lock_guard lock(mutex_);
    if (has_failed_) fail(ExitCode::bug, describe(job->operation) + " after one that failed");
    queue_.push_back(job);
  }
  changed_.notify_all();
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  return std::make_unique<Begun>(std::move(job));
}

bool Sums::are_under_way() const {
  const std::lock_guard lock(mutex_);
  return !queue_.empty();
}

void Sums::end() noexcept {
  is_ending_ = true;
  {
    const std::lock_guard lock(
        mutex_);  // or the thread could miss it between its look and its wait
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Sums::run() {
  // LibTorch's thread pool is the training's; what is added here is small and bound by memory.
  at::get_num_threads();  // the first call of a thread sets its number
  omp_set_num_threads(1);
  static const bool swaps = fault_planted("comm.async_sums_swapped");
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return is_ending_ || !queue_.empty(); });
    if (is_ending_ && queue_.empty()) return;
    if (swaps && queue_.front()->shared->world_rank > 0) std::swap(queue_.front(), queue_.back());
    const std::shared_ptr<Job> job = queue_.front();
    lock.unlock();
    std::exception_ptr thrown = carry_out(*job);
    lock.lock();
    has_failed_ = has_failed_ || thrown;
    queue_.pop_front();  // first, so that who learns that it is done finds nothing under way
    lock.unlock();
    job->complete(std::move(thrown));
    lock.lock();
  }
}

/// After an error, or once it is ending, what comes later is given up.
std::exception_ptr Sums::carry_out(const Job& job) const {
  try {
    if (has_failed_ || is_ending_)
      fail(ExitCode::bug, describe(job.operation) + " was given up, after another that failed");
    add_(job.values, Waiting(*job.shared, job.operation, job.number, &is_ending_));
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

}  // namespace fg::comm
