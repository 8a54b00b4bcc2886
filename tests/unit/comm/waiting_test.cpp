#include "waiting.hpp"

#include <chrono>

#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>

namespace fg::comm {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// A peer that brings one piece every 50 ms, and stops after some.
class SlowPeer final : public Transfer {
public:
  SlowPeer(std::size_t pieces, std::size_t comes_to) : pieces_(pieces), comes_to_(comes_to) {}
  bool advance() override {
    if (moved_ < comes_to_ && Clock::now() - last_ > 50ms) {
      ++moved_;
      last_ = Clock::now();
    }
    return moved_ == pieces_;
  }
  std::size_t moved() const noexcept override { return moved_; }
  int world_peer() const noexcept override { return 6; }

private:
  std::size_t pieces_;
  std::size_t comes_to_;
  std::size_t moved_ = 0;
  Clock::time_point last_ = Clock::now();
};

void wait_for(const Options& options, std::size_t pieces, std::size_t comes_to) {
  Shared shared(options, 2);
  const Operation operation{"recv", "int64 [1]", 8, {6}, 1};
  Transfers transfers;
  transfers.push_back(std::make_unique<SlowPeer>(pieces, comes_to));
  Waiting(shared, operation, 0).until_done(transfers);
}

TEST(Waiting, GoesOnWhilePiecesCome) {
  Options options;
  options.timeout_s = 0.2;
  const auto begin = Clock::now();
  wait_for(options, 10, 10);
  EXPECT_GT(Clock::now() - begin, 400ms);
}

TEST(Waiting, EndsWhenNoPieceComesAnyMore) {
  Options options;
  options.timeout_s = 0.2;
  test::expect_error(ExitCode::hang,
                     {"recv of int64 [1] (8 bytes), tag 1: rank 2 has waited 0.", "for rank 6"},
                     [&] { wait_for(options, 10, 3); });
}

TEST(Waiting, AsksWhetherToGoOn) {
  Options options;
  int asked = 0;
  options.while_waiting = [&] {
    if (++asked == 3) fail(ExitCode::terminated, "enough");
  };
  test::expect_error(ExitCode::terminated, "enough", [&] { wait_for(options, 10, 0); });
}

}  // namespace
}  // namespace fg::comm
