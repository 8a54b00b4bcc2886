#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include <fg/data/prefetcher.hpp>
#include <fg/test/expect_error.hpp>

#include "tiny_model.hpp"

namespace fg::data {
namespace {

/// A row that tells where it comes from.
Row marked_row(const RowId& id) {
  Row row;
  row.ids = {static_cast<std::int64_t>(id.epoch), static_cast<std::int64_t>(id.row)};
  return row;
}

/// Microbatches of two rows: (0, 0), (0, 1); (0, 2), (0, 3); …
Prefetcher::NextRows pairs(std::size_t count, std::atomic<std::size_t>* asked = nullptr) {
  return [count, asked, at = std::size_t{0}]() mutable -> std::vector<RowId> {
    if (asked != nullptr) ++*asked;
    if (at == count) return {};
    const std::size_t first = 2 * at++;
    return {{0, first}, {0, first + 1}};
  };
}

TEST(Prefetcher, GivesMicrobatchesInOrderAndThenNothing) {
  Prefetcher prefetcher(pairs(50), marked_row, 3);
  for (std::int64_t at = 0; at < 50; ++at) {
    const auto rows = prefetcher.next();
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].ids[1], 2 * at);
    EXPECT_EQ(rows[1].ids[1], 2 * at + 1);
  }
  EXPECT_TRUE(prefetcher.next().empty());
  EXPECT_TRUE(prefetcher.next().empty());
}

TEST(Prefetcher, GoesNoFurtherAheadThanAllowed) {
  std::atomic<std::size_t> asked = 0;
  Prefetcher prefetcher(pairs(1000, &asked), marked_row, 3);
  prefetcher.next();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (asked < 4 && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // for it to go too far
  EXPECT_EQ(asked, 4u);
}

TEST(Prefetcher, MeasuresTheWait) {
  Prefetcher slow(pairs(2), [](const RowId& id) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return marked_row(id);
  });
  EXPECT_EQ(slow.wait_seconds(), 0);
  slow.next();
  EXPECT_GT(slow.wait_seconds(), 0.05);
}

TEST(Prefetcher, RethrowsWhatTheThreadMetAfterTheRowsBeforeIt) {
  Prefetcher prefetcher(pairs(5), [](const RowId& id) {
    if (id.row == 5) fail(ExitCode::data, "row 5 is bad");
    return marked_row(id);
  });
  prefetcher.next();
  prefetcher.next();
  for (int again = 0; again < 2; ++again)
    test::expect_error(ExitCode::data, "row 5 is bad", [&] { prefetcher.next(); });
}

TEST(Prefetcher, EndsWhileTheThreadIsBusyOrWaiting) {
  for (const int milliseconds : {0, 1, 20}) {
    std::atomic<std::size_t> asked = 0;
    const Prefetcher prefetcher(pairs(1000, &asked), marked_row, 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  }
}

TEST(Prefetcher, MakesRowsOfThePlans) {
  const test::PreparedText prepared(test::lines_of_lengths({5, 6, 7, 8}));
  EpochPlans plans(prepared.set(), {.seq_len = 10}, 1, true);
  std::uint64_t epoch = 0;
  Prefetcher prefetcher([&epoch] { return std::vector<RowId>{{epoch++, 1}}; }, plans);
  for (std::uint64_t at = 0; at < 4; ++at)
    EXPECT_EQ(prefetcher.next()[0].ids, make_row(plans.set(), *plans.at(at), 1).ids);
}

}  // namespace
}  // namespace fg::data
