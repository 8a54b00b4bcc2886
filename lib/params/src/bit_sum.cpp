#include <cstdint>
#include <span>
#include <vector>

#include <ATen/ops/stack.h>

#include <fg/base/error.hpp>
#include <fg/params/bit_sum.hpp>
#include <fg/store/hash.hpp>

namespace fg::params {
namespace {

/// The sum of a tensor's 64-bit words, modulo 2^64; of what is left over, its elements.
at::Tensor sum_of_words(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.view(-1);
  const std::int64_t a_word = 8 / tensor.element_size();
  const std::int64_t whole = flat.numel() / a_word * a_word;
  const at::ScalarType integer = tensor.element_size() == 2   ? at::kShort
                                 : tensor.element_size() == 4 ? at::kInt
                                                              : at::kLong;
  const at::Tensor rest = flat.narrow(0, whole, flat.numel() - whole).view(integer);
  return flat.narrow(0, 0, whole).view(at::kLong).sum().add(rest.sum(at::kLong));
}

}  // namespace

std::string bit_sum(const Parameters& parameters) {
  std::vector<at::Tensor> sums;
  for (std::size_t index = 0; index < parameters.layout().fused.size(); ++index)
    sums.push_back(sum_of_words(parameters.fused(index)));
  const at::Tensor all = at::stack(sums).cpu();
  store::Hasher hasher;
  hasher.update(std::as_bytes(
      std::span(all.data_ptr<std::int64_t>(), static_cast<std::size_t>(all.numel()))));
  return hasher.hex();
}

}  // namespace fg::params
