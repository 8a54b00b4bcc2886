#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

#include "element.hpp"

namespace fg::ops::kernels {

struct EmbeddingForward {
  Element element = Element::float32;
  std::int64_t tokens = 0;
  std::int64_t width = 0;
  std::int64_t vocab_size = 0;
  const std::int64_t* ids = nullptr;
  Rows weight;
  Rows output;
};

/// The row of an id outside [0, vocab_size) is zeros.
cudaError_t embedding_forward(const EmbeddingForward& embedding, cudaStream_t stream);

struct EmbeddingBackward {
  Element element = Element::float32;
  std::int64_t tokens = 0;
  std::int64_t width = 0;
  std::int64_t table_rows = 0;               // of grad_weight
  const std::int64_t* sorted_ids = nullptr;  // ascending
  const std::int64_t* order = nullptr;       // the token of each, ascending where ids are equal
  Rows grad_output;
  Rows grad_weight;
};

/// An id outside the table adds nothing.
cudaError_t embedding_backward(const EmbeddingBackward& embedding, cudaStream_t stream);

}  // namespace fg::ops::kernels
