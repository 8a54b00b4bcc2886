#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/philox.hpp>
#include <fg/base/units.hpp>
#include <fg/data/epoch_plan.hpp>

#include "best_fit.hpp"

namespace fg::data {
namespace {

using Indexes = std::vector<std::uint32_t>;

Indexes numbers(std::size_t begin, std::size_t end) {
  Indexes indexes(end - begin);
  std::iota(indexes.begin(), indexes.end(), static_cast<std::uint32_t>(begin));
  return indexes;
}

/// Fisher and Yates, from words of `random`.
void shuffle(Indexes& indexes, const RandomStream& random) {
  for (std::size_t left = indexes.size(); left > 1; --left) {
    const PhiloxBlock words = random.block(left);
    const std::uint64_t word = std::uint64_t{words[1]} << 32 | words[0];
    std::swap(indexes[left - 1], indexes[word % left]);  // its bias is left ÷ 2^64
  }
}

/// `wanted` documents of a source, in an order of the seed's: each epoch goes on where the last
/// one ended, so that all have their turn.
Indexes part_of(const SourceRange& source, std::size_t number, std::size_t wanted,
                std::uint64_t seed, std::uint64_t epoch) {
  Indexes order = numbers(source.begin, source.end);
  shuffle(order, RandomStream(seed, "data", "part", number));
  const std::size_t size = order.size();
  Indexes part;
  for (std::size_t at = epoch % size * wanted % size; part.size() < wanted; at = (at + 1) % size)
    part.push_back(order[at]);
  std::sort(part.begin(), part.end());
  return part;
}

/// The documents of an epoch by their sources' weights.
Indexes documents_of(const TokenSet& set, std::uint64_t seed, std::uint64_t epoch) {
  Indexes documents;
  for (std::size_t number = 0; number < set.sources().size(); ++number) {
    const SourceRange& source = set.sources()[number];
    const Indexes all = numbers(source.begin, source.end);
    double weight = source.weight;
    for (; weight >= 1; weight -= 1) documents.insert(documents.end(), all.begin(), all.end());
    const auto wanted =
        static_cast<std::size_t>(std::nearbyint(weight * static_cast<double>(all.size())));
    if (wanted == 0) continue;
    const Indexes part = part_of(source, number, wanted, seed, epoch);
    documents.insert(documents.end(), part.begin(), part.end());
  }
  if (documents.size() >= UINT32_MAX)
    fail(ExitCode::usage,
         "the sources' weights make an epoch of more than 4,294,967,294 documents");
  return documents;
}

/// Longest first; of one length in the order they come.
Indexes sorted_by_length(const Indexes& documents, const TokenSet& set) {
  std::vector<std::size_t> place(std::size_t{set.longest()} + 2, 0);
  for (const std::uint32_t document : documents) ++place[set.length(document)];
  std::size_t before = 0;
  for (std::size_t length = place.size(); length-- > 0;)
    before += std::exchange(place[length], before);
  Indexes sorted(documents.size());
  for (const std::uint32_t document : documents) sorted[place[set.length(document)]++] = document;
  return sorted;
}

}  // namespace

EpochPlan::EpochPlan(const TokenSet& set, const PackOptions& options, std::uint64_t seed,
                     std::uint64_t epoch, bool shuffled)
    : seq_len_(options.seq_len) {
  if (set.longest() > seq_len_)
    fail(ExitCode::usage, "a document has " + with_thousands(set.longest()) +
                              " tokens, a row only " + with_thousands(seq_len_));
  if (fault_planted("data.reshuffle_ignored")) epoch = 0;
  Indexes documents = documents_of(set, seed, epoch);
  if (shuffled) shuffle(documents, RandomStream(seed, "data", "documents", epoch));

  Indexes row_of = numbers(0, documents.size());
  if (options.pack) {
    documents = sorted_by_length(documents, set);
    Indexes lengths;
    lengths.reserve(documents.size());
    for (const std::uint32_t document : documents) lengths.push_back(set.length(document));
    row_of = best_fit(lengths, seq_len_);
  }
  std::size_t row_count = row_of.empty() ? 0 : *std::max_element(row_of.begin(), row_of.end()) + 1;
  Indexes place = numbers(0, row_count);  // where each row comes
  if (shuffled && options.pack) shuffle(place, RandomStream(seed, "data", "rows", epoch));
  for (std::uint32_t& row : row_of) row = place[row];
  fill(set, documents, row_of, row_count);
  if (fault_planted("data.last_row_lost") && rows() > 1) first_.pop_back();
}

void EpochPlan::fill(const TokenSet& set, const std::vector<std::uint32_t>& documents,
                     const std::vector<std::uint32_t>& row_of, std::size_t row_count) {
  first_.assign(row_count + 1, 0);
  for (const std::uint32_t row : row_of) ++first_[row + std::size_t{1}];
  std::partial_sum(first_.begin(), first_.end(), first_.begin());
  trained_.assign(row_count, 0);
  tokens_.assign(row_count, 0);
  documents_.resize(documents.size());
  std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
  for (std::size_t index = 0; index < documents.size(); ++index) {
    const std::uint32_t row = row_of[index];
    documents_[next[row]++] = documents[index];
    trained_[row] += set.trained_tokens(documents[index]);
    tokens_[row] += set.length(documents[index]);
  }
  all_trained_ = std::accumulate(trained_.begin(), trained_.end(), std::int64_t{0});
  all_tokens_ = std::accumulate(tokens_.begin(), tokens_.end(), std::int64_t{0});
}

std::span<const std::uint32_t> EpochPlan::documents(std::size_t row) const {
  FG_CHECK(row < rows());
  return std::span(documents_).subspan(first_[row], first_[row + 1] - first_[row]);
}

double EpochPlan::density() const noexcept {
  if (rows() == 0) return 0;
  return static_cast<double>(all_tokens_) /
         (static_cast<double>(rows()) * static_cast<double>(seq_len_));
}

std::shared_ptr<const EpochPlan> EpochPlans::at(std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_)
    if (entry.epoch == epoch) return entry.plan;
  auto plan = std::make_shared<const EpochPlan>(set_, options_, seed_, epoch, shuffle_);
  if (entries_.size() >= 2) entries_.erase(entries_.begin());
  entries_.push_back({epoch, plan});
  return plan;
}

}  // namespace fg::data
