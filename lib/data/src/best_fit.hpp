#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fg::data {

/// Rows with room, found by how much they have: "the fullest row that still takes n tokens" in a
/// few steps, whatever the number of rows.
class OpenRows {
public:
  explicit OpenRows(std::size_t seq_len);

  /// Takes out the row with the least room of at least `tokens`; of several the last put in.
  /// `none` if there is none.
  static constexpr std::uint32_t none = UINT32_MAX;
  std::uint32_t take(std::size_t tokens);
  /// Room of the row that `take` gave last.
  std::size_t room() const noexcept { return room_; }
  void put(std::uint32_t row, std::size_t room);

private:
  std::size_t find_from(std::size_t at) const;
  void set(std::size_t at);
  void clear(std::size_t at);

  std::vector<std::uint32_t> head_;  // by room: the first of a chain through next_
  std::vector<std::uint32_t> next_;  // by row
  /// A bit a room that has rows, then a bit a word of the level below, until one word is left.
  std::vector<std::vector<std::uint64_t>> levels_;
  std::size_t room_ = 0;
};

/// The row of each document, for documents in this order, none longer than seq_len and none empty:
/// into the fullest row that takes it, else a new one. Rows are numbered as they are opened.
std::vector<std::uint32_t> best_fit(std::span<const std::uint32_t> lengths, std::size_t seq_len);

}  // namespace fg::data
