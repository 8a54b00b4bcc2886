#include "fit.hpp"

#include <algorithm>
#include <numeric>

#include <fg/base/failpoint.hpp>

namespace fg::data {
namespace {

Encoded slice(const Encoded& record, std::size_t begin, std::size_t end) {
  const auto from = static_cast<std::ptrdiff_t>(begin), to = static_cast<std::ptrdiff_t>(end);
  return {.ids = {record.ids.begin() + from, record.ids.begin() + to},
          .trained = {record.trained.begin() + from, record.trained.begin() + to}};
}

Encoded cut(const Encoded& record, std::size_t seq_len) {
  const std::size_t size = record.ids.size();
  std::size_t marker = record.end_marker * 2 <= seq_len ? record.end_marker : 0;
  if (fault_planted("data.cut_marker_lost")) marker = 0;
  std::size_t kept = seq_len - marker;
  const bool inside_trained = record.trained[kept - 1] != 0 && record.trained[kept] != 0;
  if (!inside_trained) {
    while (kept > 0 && record.trained[kept - 1] == 0) --kept;
    return slice(record, 0, kept);
  }
  Encoded result = slice(record, 0, kept);
  const Encoded tail = slice(record, size - marker, size);
  result.ids.insert(result.ids.end(), tail.ids.begin(), tail.ids.end());
  result.trained.insert(result.trained.end(), tail.trained.begin(), tail.trained.end());
  return result;
}

std::vector<Encoded> split(const Encoded& record, std::size_t seq_len, Counts& counts) {
  std::vector<Encoded> windows;
  for (std::size_t begin = 0; begin + 1 < record.ids.size(); begin += seq_len - 1) {
    Encoded window = slice(record, begin, std::min(begin + seq_len, record.ids.size()));
    if (count_trained(window) == 0)
      ++counts.dropped_windows;
    else
      windows.push_back(std::move(window));
  }
  ++counts.split_records;
  counts.split_windows += windows.size();
  return windows;
}

}  // namespace

std::uint64_t count_trained(const Encoded& document) {
  if (document.trained.empty()) return 0;
  return std::accumulate(document.trained.begin() + 1, document.trained.end(), std::uint64_t{0});
}

std::vector<Encoded> fit(Encoded record, std::size_t seq_len, TooLong too_long, Counts& counts) {
  const std::uint64_t trained = count_trained(record);
  ++counts.records;
  counts.longest_record = std::max<std::uint64_t>(counts.longest_record, record.ids.size());
  std::vector<Encoded> documents;
  const bool fits = record.ids.size() <= seq_len;
  if (trained == 0) {
    ++counts.dropped_records;
  } else if (fits) {
    documents.push_back(std::move(record));
  } else if (too_long == TooLong::split) {
    documents = split(record, seq_len, counts);
  } else {
    Encoded document = cut(record, seq_len);
    const std::uint64_t left = count_trained(document);
    ++counts.cut_records;
    counts.cut_tokens += record.ids.size() - (left > 0 ? document.ids.size() : 0);
    counts.cut_trained_tokens += trained - left;
    if (left > 0)
      documents.push_back(std::move(document));
    else
      ++counts.dropped_records;
  }
  for (const Encoded& document : documents) {
    ++counts.documents;
    counts.tokens += document.ids.size();
    counts.trained_tokens += count_trained(document);
  }
  return documents;
}

}  // namespace fg::data
