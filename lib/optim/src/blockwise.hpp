#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fg::optim {

/// The values that codes of block-wise quantised state stand for, ascending, as in torchao's
/// optimizers: "dynamic" maps after Dettmers (arXiv:1511.04561, arXiv:2110.02861), and for 4-bit
/// second moments k/16 without zero (Li, Chen, Zhu, arXiv:2309.01507).
struct CodeBook {
  std::vector<float> values;
  std::vector<float> midpoints;  // midpoints[k] lies between values[k] and values[k + 1]
};

const CodeBook& code_book(int bits, bool is_signed);

/// One block: scale = max |x|, at least 1e-12; each code is that of the nearest value to x / scale,
/// the upper one at a tie. Two 4-bit codes a byte, the first in the high half.
void quantise_block(const CodeBook& book, int bits, const float* block, std::int64_t count,
                    std::uint8_t* codes, float* scale);
void dequantise_block(const CodeBook& book, int bits, const std::uint8_t* codes, float scale,
                      std::int64_t count, float* block);

}  // namespace fg::optim
