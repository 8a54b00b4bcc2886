#include "waiting.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

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

/// Comes with the fourth look; before the second one the whole job stands still.
class StillPeer final : public Transfer {
public:
  bool advance() override {
    if (++looks_ == 2) std::this_thread::sleep_for(500ms);
    return looks_ == 4;
  }
  std::size_t moved() const noexcept override { return 0; }
  int world_peer() const noexcept override { return 6; }

private:
  int looks_ = 0;
};

void wait_for(const Options& options, std::unique_ptr<Transfer> peer) {
  Shared shared(options, 2);
  const Operation operation{"recv", "int64 [1]", 8, {6}, 1};
  Transfers transfers;
  transfers.push_back(std::move(peer));
  Waiting(shared, operation, 0).until_done(transfers);
}

void wait_for(const Options& options, std::size_t pieces, std::size_t comes_to) {
  wait_for(options, std::make_unique<SlowPeer>(pieces, comes_to));
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

TEST(Waiting, LeavesOutTheTimeInWhichTheJobStoodStill) {
  Options options;
  options.timeout_s = 0.4;
  wait_for(options, std::make_unique<StillPeer>());
}

TEST(Waiting, NamesManyPeersInFewWords) {
  const std::string text =
      waited_too_long({"barrier", "", 0, {}, std::nullopt}, 4, 1, {0, 1, 2, 6});
  EXPECT_NE(text.find("rank 4 has waited 1.0 s for ranks 0-2, 6, more"), std::string::npos) << text;
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
