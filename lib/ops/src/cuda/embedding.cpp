#include <tuple>

#include <ATen/ops/sort.h>

#include "../cuda_ops.hpp"
#include "embedding_kernels.hpp"
#include "glue.hpp"

namespace fg::ops::cuda {

void embedding_forward(const at::Tensor& ids, const at::Tensor& weight, std::int64_t vocab_size,
                       at::Tensor& output) {
  check_same_gpu({ids, weight, output});
  const at::Tensor packed = ids.contiguous();
  kernels::EmbeddingForward embedding;
  embedding.element = element_of(output);
  embedding.tokens = ids.numel();
  embedding.width = output.size(1);
  embedding.vocab_size = vocab_size;
  embedding.ids = packed.data_ptr<std::int64_t>();
  embedding.weight = rows_of(weight);
  embedding.output = rows_of(output);
  device::check(kernels::embedding_forward(embedding, device::stream_of(output)),
                "embedding_forward");
}

void embedding_backward(const at::Tensor& grad_output, const at::Tensor& ids,
                        at::Tensor& grad_weight) {
  check_same_gpu({grad_output, ids, grad_weight});
  const auto [sorted_ids, order] = at::sort(ids, /*stable=*/true, /*dim=*/0, /*descending=*/false);
  kernels::EmbeddingBackward embedding;
  embedding.element = element_of(grad_output);
  embedding.tokens = ids.numel();
  embedding.width = grad_output.size(1);
  embedding.table_rows = grad_weight.size(0);
  embedding.sorted_ids = sorted_ids.data_ptr<std::int64_t>();
  embedding.order = order.data_ptr<std::int64_t>();
  embedding.grad_output = rows_of(grad_output);
  embedding.grad_weight = rows_of(grad_weight);
  device::check(kernels::embedding_backward(embedding, device::stream_of(grad_output)),
                "embedding_backward");
}

}  // namespace fg::ops::cuda
