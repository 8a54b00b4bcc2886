#include "fg/model/saved.hpp"

namespace fg::model {

std::int64_t Saved::bytes() const {
  std::int64_t total = 0;
  for (const at::Tensor& tensor : tensors_)
    if (tensor.defined()) total += static_cast<std::int64_t>(tensor.nbytes());
  return total;
}

}  // namespace fg::model
