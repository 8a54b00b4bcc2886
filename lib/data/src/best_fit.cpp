#include "best_fit.hpp"

#include <bit>

#include <fg/base/error.hpp>

namespace fg::data {
namespace {

constexpr std::size_t word_bits = 64;
constexpr std::size_t nowhere = SIZE_MAX;

}  // namespace

OpenRows::OpenRows(std::size_t seq_len) : head_(seq_len + 1, none) {
  std::size_t bits = head_.size();
  do {
    bits = (bits + word_bits - 1) / word_bits;
    levels_.emplace_back(bits, 0);
  } while (bits > 1);
}

void OpenRows::set(std::size_t at) {
  for (auto& level : levels_) {
    level[at / word_bits] |= std::uint64_t{1} << at % word_bits;
    at /= word_bits;
  }
}

void OpenRows::clear(std::size_t at) {
  for (auto& level : levels_) {
    std::uint64_t& word = level[at / word_bits];
    word &= ~(std::uint64_t{1} << at % word_bits);
    if (word != 0) return;
    at /= word_bits;
  }
}

/// The first bit at `at` or behind it. Climbs until a word has one, then goes down to it.
std::size_t OpenRows::find_from(std::size_t at) const {
  for (std::size_t height = 0; height < levels_.size(); ++height) {
    const auto& level = levels_[height];
    if (at / word_bits >= level.size()) return nowhere;
    const std::uint64_t word = level[at / word_bits] >> at % word_bits;
    if (word == 0) {
      at = at / word_bits + 1;
      continue;
    }
    at += static_cast<std::size_t>(std::countr_zero(word));
    for (; height > 0; --height)
      at = at * word_bits + static_cast<std::size_t>(std::countr_zero(levels_[height - 1][at]));
    return at;
  }
  return nowhere;
}

std::uint32_t OpenRows::take(std::size_t tokens) {
  const std::size_t found = find_from(tokens);
  if (found == nowhere) return none;
  room_ = found;
  const std::uint32_t row = head_[found];
  head_[found] = next_[row];
  if (head_[found] == none) clear(found);
  return row;
}

void OpenRows::put(std::uint32_t row, std::size_t room) {
  if (next_.size() <= row) next_.resize(std::size_t{row} + 1, none);
  next_[row] = head_[room];
  head_[room] = row;
  set(room);
}

std::vector<std::uint32_t> best_fit(std::span<const std::uint32_t> lengths, std::size_t seq_len) {
  OpenRows open(seq_len);
  std::vector<std::uint32_t> row_of;
  row_of.reserve(lengths.size());
  std::uint32_t rows = 0;
  for (const std::uint32_t length : lengths) {
    FG_CHECK(length >= 1 && length <= seq_len);
    std::uint32_t row = open.take(length);
    const std::size_t room = row == OpenRows::none ? seq_len : open.room();
    if (row == OpenRows::none) row = rows++;
    if (room > length) open.put(row, room - length);
    row_of.push_back(row);
  }
  return row_of;
}

}  // namespace fg::data
