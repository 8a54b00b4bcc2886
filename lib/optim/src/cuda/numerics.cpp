#include <fg/base/error.hpp>

#include "../cuda_optim.hpp"
#include "target.hpp"

namespace fg::optim::cuda {

void check_gradient(const at::Tensor& gradient, NumericsFlag& flag, const at::Tensor& sum) {
  FG_CHECK(sum.device() == gradient.device() && sum.numel() == 1);
  FG_CHECK(flag.value().device() == gradient.device());
  kernels::Measure args;
  args.x = rows_of(gradient);
  if (gradient.numel() > 0) {
    args.tiles.columns = matrix_anywhere(gradient).columns;
    args.tiles.rows = gradient.numel() / args.tiles.columns;
  }
  args.by_eights = lies_by_eights(args.x, args.tiles.rows, args.tiles.columns);
  Scratch scratch;
  scratch.add(args.tile_sums, args.tiles.count());
  scratch.allocate(gradient.device());
  const cudaStream_t stream = device::stream_of(gradient);
  device::check(kernels::measure(args, stream), "check_gradient: measure");
  device::check(kernels::finish_check(args.tile_sums, args.tiles.count(), sum.data_ptr<float>(),
                                      flag.value().data_ptr<std::int32_t>(), stream),
                "check_gradient: finish");
}

void clip(const at::Tensor& sums, const at::Tensor& order, double clip_norm, const at::Tensor& norm,
          const at::Tensor& factor, NumericsFlag& flag) {
  for (const at::Tensor* tensor : {&order, &norm, &factor, &flag.value()})
    FG_CHECK(tensor->device() == sums.device());
  device::check(kernels::clip({.sums = sums.const_data_ptr<float>(),
                               .order = order.const_data_ptr<std::int64_t>(),
                               .count = sums.numel(),
                               .clip_norm = clip_norm,
                               .norm = norm.data_ptr<double>(),
                               .factor = factor.data_ptr<float>(),
                               .flag = flag.value().data_ptr<std::int32_t>()},
                              device::stream_of(sums)),
                "clip_on_device");
}

}  // namespace fg::optim::cuda
