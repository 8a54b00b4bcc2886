#pragma once

#include <utility>
#include <vector>

#include "jinja/interpreter.hpp"

namespace fg::text::jinja {

/// A stable sort that any order is safe with, also one that contradicts itself (NaN) or throws.
template <typename Item, typename Less>
void merge_sort(Interpreter& run, std::vector<Item>& items, Less less) {
  std::vector<Item> merged(items.size());
  for (std::size_t width = 1; width < items.size(); width *= 2) {
    for (std::size_t begin = 0; begin < items.size(); begin += 2 * width) {
      const std::size_t middle = std::min(begin + width, items.size());
      const std::size_t end = std::min(begin + 2 * width, items.size());
      std::size_t left = begin;
      std::size_t right = middle;
      for (std::size_t at = begin; at < end; ++at) {
        run.budget().scan(sizeof(Item));
        const bool take_right = left == middle || (right < end && less(items[right], items[left]));
        merged[at] = std::move(items[take_right ? right++ : left++]);
      }
    }
    std::swap(items, merged);
  }
}

}  // namespace fg::text::jinja
