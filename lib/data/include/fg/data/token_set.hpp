#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fg::data {

/// One document: what the model sees as one text, at most seq_len tokens.
struct Document {
  std::span<const std::uint32_t> ids;
  /// One a token: 1 if it is trained to be predicted. The first token never is, whatever its flag.
  std::span<const std::uint8_t> trained;
};

/// What became of the records. "Trained tokens" are positions that are predicted and count in the
/// loss: flagged, and not the first of their document.
struct Counts {
  std::uint64_t records = 0;  // read, after the split
  std::uint64_t documents = 0;
  std::uint64_t tokens = 0;
  std::uint64_t trained_tokens = 0;
  std::uint64_t cut_records = 0;  // too_long: cut
  std::uint64_t cut_tokens = 0;   // lost by it
  std::uint64_t cut_trained_tokens = 0;
  std::uint64_t split_records = 0;    // too_long: split
  std::uint64_t split_windows = 0;    // documents they became
  std::uint64_t dropped_records = 0;  // nothing in them is trained
  std::uint64_t dropped_windows = 0;  // the same, of windows
  std::uint64_t longest_record = 0;   // tokens, before cutting

  friend bool operator==(const Counts&, const Counts&) = default;
  /// Lines for people: what there is, and what was cut, split and dropped, if anything was.
  std::vector<std::string> lines() const;
};

/// The documents of one data source in a set.
struct SourceRange {
  std::size_t begin = 0, end = 0;  // documents
  double weight = 1.0;

  friend bool operator==(const SourceRange&, const SourceRange&) = default;
};

/// The tokenised documents of a data set, mapped from the cache. Copies share one immutable object;
/// any thread.
class TokenSet {
public:
  /// Opens a cache file and checks all of it (sizes, hash, bounds). Error(cannot_load) naming what
  /// is wrong; also if its key is not `key` (empty: any).
  static TokenSet open(const std::filesystem::path& path, const std::string& key = {});

  std::size_t size() const noexcept;
  Document document(std::size_t index) const;
  std::uint32_t length(std::size_t index) const;          // tokens
  std::uint32_t trained_tokens(std::size_t index) const;  // without the first token
  std::uint32_t longest() const noexcept;                 // tokens of the longest document
  /// Which record of the source it came from, from 0, counted behind the split.
  std::uint64_t record(std::size_t index) const;
  const std::vector<SourceRange>& sources() const noexcept;
  const Counts& counts() const noexcept;
  /// Hash of ids, flags, order and weights: the same on any machine and thread count. A run resumes
  /// only on the same.
  const std::string& content_hash() const noexcept;
  const std::filesystem::path& path() const noexcept;

private:
  struct Impl;
  explicit TokenSet(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace fg::data
