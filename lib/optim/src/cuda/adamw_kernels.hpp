#pragma once

#include "kernels.hpp"

namespace fg::optim::kernels {

/// What one update multiplies with, formed where the age lies.
struct AdamWFactors {
  float one_minus_beta1;
  float one_minus_beta2;
  float step_size;        // lr / (1 - beta1^t)
  float root_correction;  // 1 / sqrt(1 - beta2^t)
  float decay;            // lr * weight_decay
  float eps;
};

struct AdamWRule {
  double beta1 = 0;
  double beta2 = 0;
  double eps = 0;
  double lr = 0;
  double weight_decay = 0;
};

/// Counts the age up and writes the factors of that update, unless the flag is raised.
struct AdamWBegin {
  AdamWRule rule;
  std::int64_t* age = nullptr;
  AdamWFactors* factors = nullptr;
  const std::int32_t* flag = nullptr;
  bool age_kept = false;  // a planted fault
};
cudaError_t adamw_begin(const AdamWBegin& args, cudaStream_t stream);

/// Moments as contiguous floats of one type.
struct AdamW {
  Target target;
  const AdamWFactors* factors = nullptr;
  Element moment_type = Element::float32;
  void* first = nullptr;
  void* second = nullptr;
  Rounding first_rounding;
  Rounding second_rounding;
};
cudaError_t adamw(const AdamW& args, cudaStream_t stream);

/// A code book: its values, and the midpoints between them as a search tree: node 1 is the root,
/// below node k lie 2k and 2k + 1; where x is at least a node's number the search goes to the
/// right, and the leaf that it ends at, less 2^bits, is the code.
struct Book {
  float values[256];
  float tree[256];
};

struct QuantisedMoment {
  std::uint8_t* codes = nullptr;
  float* scales = nullptr;
};

/// Moments in blocks of 256 codes of 8 bits, or 128 of 4. The elements are whole blocks.
struct AdamWBlocks {
  Target target;
  const AdamWFactors* factors = nullptr;
  QuantisedMoment first;
  QuantisedMoment second;
  Book first_book;
  Book second_book;
};
cudaError_t adamw_8bit(const AdamWBlocks& args, cudaStream_t stream);
cudaError_t adamw_4bit(const AdamWBlocks& args, cudaStream_t stream);

}  // namespace fg::optim::kernels
