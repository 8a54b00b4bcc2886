#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <fg/data/token_set.hpp>

namespace fg::data {

struct PackOptions {
  std::size_t seq_len = 4096;  // most tokens a row
  bool pack = true;            // false: one document a row
};

/// Which documents stand in which row of an epoch: a pure function of its arguments, the same on
/// every rank of any world. Packed by best-fit decreasing over the whole epoch; every document of
/// weight 1 is in exactly one row. With `shuffle` (seed, epoch) decides which documents of one
/// length change places and the order of the rows; without it the order is that of the documents
/// (packed: longest first) and the seed decides nothing but which part of a source of broken weight
/// is taken.
class EpochPlan {
public:
  /// Error(usage) if a document is longer than seq_len. Keeps nothing of `set`.
  EpochPlan(const TokenSet& set, const PackOptions& options, std::uint64_t seed,
            std::uint64_t epoch, bool shuffle);

  std::size_t rows() const noexcept { return first_.size() - 1; }
  /// Positions of a row that are predicted and count in the loss.
  std::int64_t trained_tokens(std::size_t row) const { return trained_.at(row); }
  std::int64_t tokens(std::size_t row) const { return tokens_.at(row); }
  std::span<const std::uint32_t> documents(std::size_t row) const;
  /// Of the epoch.
  std::int64_t trained_tokens() const noexcept { return all_trained_; }
  std::int64_t tokens() const noexcept { return all_tokens_; }
  /// Tokens ÷ (rows × seq_len).
  double density() const noexcept;

private:
  void fill(const TokenSet& set, const std::vector<std::uint32_t>& documents,
            const std::vector<std::uint32_t>& row_of, std::size_t row_count);

  std::size_t seq_len_;
  std::vector<std::uint32_t> documents_;  // row by row
  std::vector<std::size_t> first_;  // where each row begins in documents_; one more at the end
  std::vector<std::int64_t> trained_, tokens_;
  std::int64_t all_trained_ = 0, all_tokens_ = 0;
};

/// The plans of a run by epoch, made when asked for; the last two stay. Any thread.
class EpochPlans {
public:
  EpochPlans(TokenSet set, PackOptions options, std::uint64_t seed, bool shuffle)
      : set_(std::move(set)), options_(options), seed_(seed), shuffle_(shuffle) {}

  std::shared_ptr<const EpochPlan> at(std::uint64_t epoch);
  const TokenSet& set() const noexcept { return set_; }

private:
  struct Entry {
    std::uint64_t epoch;
    std::shared_ptr<const EpochPlan> plan;
  };
  TokenSet set_;
  PackOptions options_;
  std::uint64_t seed_;
  bool shuffle_;
  std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace fg::data
