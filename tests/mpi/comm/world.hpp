#pragma once

#include <memory>

#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <fg/comm/communicator.hpp>
#include <fg/test/mpi_session.hpp>

namespace fg::comm {

/// Pieces so small that nearly every message of these tests has several, the last one shorter.
inline Options small_pieces() {
  Options options;
  options.timeout_s = 20;
  options.piece_bytes = 48;
  return options;
}

/// All ranks. A test that ends in an error takes one of its own.
inline std::unique_ptr<Communicator> world(const Options& options = small_pieces()) {
  return Communicator::connect(test::mpi_session(), options);
}

/// 0, 1, 2, … plus `first`, of a type and shape.
inline at::Tensor counting(at::ScalarType type, at::IntArrayRef shape, double first) {
  const at::Tensor values = at::empty(shape, type);
  const at::Tensor numbers = at::arange(values.numel(), at::kDouble).add_(first);
  values.copy_(numbers.view(shape));
  return values;
}

inline bool same(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && at::equal(a, b);
}

}  // namespace fg::comm
