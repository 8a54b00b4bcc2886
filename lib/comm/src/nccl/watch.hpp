#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <fg/base/error.hpp>

#include "link.hpp"

namespace fg::comm {

/// The thread that looks after all NCCL communicators of the process: notes the ends of operations,
/// finds errors and stalls. It runs while there are any. Any thread.
class Watch {
public:
  static Watch& of_process();

  void add(std::shared_ptr<Link> link);
  void remove(const Link& link);

  /// Throws what has been met, if anything.
  void rethrow() const;
  bool has_failed() const;

  /// All at once, since one may wait for another. Returns after at most 10 s.
  void abort_all() noexcept;

private:
  Watch() = default;
  void run();
  void look_at(Link& link);
  bool note(const Error& error);
  void end_stalled(const Link& link, const std::string& sentence);

  std::mutex coming_and_going_;
  std::thread thread_;
  mutable std::mutex mutex_;  // over all below
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Link>> links_;
  bool is_ending_ = false;
  std::optional<Error> failure_;
};

}  // namespace fg::comm
