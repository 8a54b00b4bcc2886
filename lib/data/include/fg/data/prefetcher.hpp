#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <fg/data/epoch_plan.hpp>
#include <fg/data/row.hpp>

namespace fg::data {

struct RowId {
  std::uint64_t epoch = 0;
  std::size_t row = 0;

  friend bool operator==(const RowId&, const RowId&) = default;
};

/// Makes the rows of coming microbatches on a thread of its own, at most `depth` of them ahead.
class Prefetcher {
public:
  /// The rows of the next microbatch, called on the thread only; an empty list ends it. Both
  /// functions may throw: `next` of this class rethrows that when it gets there.
  using NextRows = std::function<std::vector<RowId>()>;
  using MakeRow = std::function<Row(const RowId&)>;

  Prefetcher(NextRows next_rows, MakeRow make_row, std::size_t depth = 4);
  /// With the plans of a run, which must outlive this.
  Prefetcher(NextRows next_rows, EpochPlans& plans, std::size_t depth = 4);
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;
  /// Stops the thread after the row it is making and joins it.
  ~Prefetcher();

  /// The rows of the next microbatch in the order of its list; waits until they are made. Empty
  /// after the last. One thread.
  std::vector<Row> next();
  /// What `next` has waited in all.
  double wait_seconds() const noexcept;

private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fg::data
