#include "../cuda_ops.hpp"
#include "glue.hpp"
#include "rotary_kernels.hpp"

namespace fg::ops::cuda {
namespace {

kernels::Turn args_of(const at::Tensor& heads, const Rotation& rotation) {
  FG_CHECK(rotation.cosines.is_contiguous() && rotation.sines.is_contiguous());
  check_same_gpu({heads, rotation.cosines, rotation.sines});
  kernels::Turn turn;
  turn.element = element_of(heads);
  turn.tokens = heads.size(0);
  turn.half = heads.size(2) / 2;
  turn.cosines = rotation.cosines.data_ptr<float>();
  turn.sines = rotation.sines.data_ptr<float>();
  return turn;
}

}  // namespace

void turn(at::Tensor& heads, const Rotation& rotation, bool backwards) {
  kernels::Turn turn = args_of(heads, rotation);
  turn.backwards = backwards;
  turn.sources[0] = {rows_of(heads), heads.size(1)};
  turn.turned = heads.size(1);
  turn.output = rows_of(heads);
  device::check(kernels::turn(turn, device::stream_of(heads)), "rotate");
}

void rotate_back_into(const at::Tensor& grad_q, const at::Tensor& grad_k, const at::Tensor& grad_v,
                      const Rotation& rotation, at::Tensor& grad_qkv) {
  check_same_gpu({grad_q, grad_k, grad_v, grad_qkv});
  kernels::Turn turn = args_of(grad_q, rotation);
  turn.backwards = true;
  turn.sources = {kernels::Turn::Source{rows_of(grad_q), grad_q.size(1)},
                  kernels::Turn::Source{rows_of(grad_k), grad_k.size(1)},
                  kernels::Turn::Source{rows_of(grad_v), grad_v.size(1)}};
  turn.turned = grad_q.size(1) + grad_k.size(1);
  turn.output = rows_of(grad_qkv);
  turn.output.head_stride = grad_q.size(2);
  device::check(kernels::turn(turn, device::stream_of(grad_qkv)), "rotate_back_into");
}

}  // namespace fg::ops::cuda
