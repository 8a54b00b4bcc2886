#include "../transport.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <ATen/ops/zeros.h>

#include <fg/base/error.hpp>
#include <fg/device/cuda_call.hpp>

#include "call.hpp"
#include "hold_wire.hpp"
#include "late_receives.hpp"
#include "watch.hpp"

namespace fg::comm {
namespace {

ncclDataType_t type_of(const at::Tensor& values) {
  switch (values.scalar_type()) {
    case at::kFloat:
      return ncclFloat32;
    case at::kBFloat16:
      return ncclBfloat16;
    case at::kDouble:
      return ncclFloat64;
    case at::kLong:
      return ncclInt64;
    case at::kInt:
      return ncclInt32;
    default:
      FG_CHECK(false && "a type that can be summed");
      return ncclInt8;
  }
}

class NcclTransport final : public Transport {
public:
  NcclTransport(std::unique_ptr<Transport> control, at::Device device, std::vector<int> world_ranks,
                Traffic traffic, std::shared_ptr<Link> link)
      : control_(std::move(control)),
        device_(device),
        world_ranks_(std::move(world_ranks)),
        traffic_(traffic),
        link_(std::move(link)),
        late_(std::make_shared<LateReceives>(
            [this](const at::Tensor& values, int from, const Waiting& waiting) {
              return receive(values, from, waiting);
            })) {
    Watch::of_process().add(link_);
  }
  ~NcclTransport() override {
    late_->forget();
    link_->close();
  }

  std::unique_ptr<Transfer> send(const at::Tensor& values, int to, int tag,
                                 const Waiting& waiting) override;
  std::unique_ptr<Transfer> recv(const at::Tensor& values, int from, int tag,
                                 const Waiting& waiting) override;
  std::unique_ptr<Transfer> begin_all_reduce_sum(const at::Tensor& values,
                                                 const Waiting& waiting) override;
  void barrier(const Waiting& waiting) override;
  void broadcast(const at::Tensor& values, int root, const Waiting& waiting) override;
  void all_reduce_sum(const at::Tensor& mine, const at::Tensor& sum,
                      const Waiting& waiting) override;
  void all_gather(const at::Tensor& mine, std::span<const at::Tensor> all,
                  const Waiting& waiting) override;
  std::unique_ptr<Transport> group(const std::vector<int>& members, Traffic traffic,
                                   const Waiting& waiting) override;
  void poll() override { Watch::of_process().rethrow(); }
  bool notes_ends() const noexcept override { return true; }

private:
  std::unique_ptr<OnStream> queue(const at::Tensor& values, const Waiting& waiting,
                                  const Link::Part& part);
  std::unique_ptr<OnStream> receive(const at::Tensor& values, int from, const Waiting& waiting);

  std::unique_ptr<Transport> control_;
  at::Device device_;
  std::vector<int> world_ranks_;
  Traffic traffic_;
  std::shared_ptr<Link> link_;
  std::shared_ptr<LateReceives> late_;
};

std::unique_ptr<OnStream> NcclTransport::queue(const at::Tensor& values, const Waiting& waiting,
                                               const Link::Part& part) {
  late_->begin_all();
  return std::make_unique<OnStream>(link_, link_->queue(waiting, part), values);
}

std::unique_ptr<Transfer> NcclTransport::send(const at::Tensor& values, int to, int,
                                              const Waiting& waiting) {
  const double rate = waiting.shared().options.simulate_bytes_per_second;
  return queue(values, waiting, [&](ncclComm_t comm, cudaStream_t stream) {
    if (values.numel() == 0) return;
    if (rate > 0) {
      const double taken = 1e9 * static_cast<double>(values.nbytes()) / rate;
      device::check(kernels::hold_wire(static_cast<std::int64_t>(taken), stream), "hold_wire");
    }
    nccl_check(ncclSend(values.const_data_ptr(), values.nbytes(), ncclInt8, to, comm, stream),
               "ncclSend");
  });
}

std::unique_ptr<Transfer> NcclTransport::recv(const at::Tensor& values, int from, int,
                                              const Waiting& waiting) {
  Watch::of_process().rethrow();
  if (traffic_ == Traffic::near_messages) return late_->add(values, from, waiting);
  return receive(values, from, waiting);
}

std::unique_ptr<OnStream> NcclTransport::receive(const at::Tensor& values, int from,
                                                 const Waiting& waiting) {
  const auto part = [&](ncclComm_t comm, cudaStream_t stream) {
    if (values.numel() == 0) return;
    nccl_check(ncclRecv(values.data_ptr(), values.nbytes(), ncclInt8, from, comm, stream),
               "ncclRecv");
  };
  return std::make_unique<OnStream>(link_, link_->queue(waiting, part), values);
}

std::unique_ptr<Transfer> NcclTransport::begin_all_reduce_sum(const at::Tensor& values,
                                                              const Waiting& waiting) {
  return queue(values, waiting, [&](ncclComm_t comm, cudaStream_t stream) {
    if (values.numel() == 0) return;
    void* const data = values.data_ptr();
    nccl_check(ncclAllReduce(data, data, static_cast<std::size_t>(values.numel()), type_of(values),
                             ncclSum, comm, stream),
               "ncclAllReduce");
  });
}

void NcclTransport::all_reduce_sum(const at::Tensor& mine, const at::Tensor& sum,
                                   const Waiting& waiting) {
  if (mine.data_ptr() != sum.data_ptr()) sum.copy_(mine);
  begin_all_reduce_sum(sum, waiting)->finish(waiting);
}

void NcclTransport::broadcast(const at::Tensor& values, int root, const Waiting& waiting) {
  const auto part = [&](ncclComm_t comm, cudaStream_t stream) {
    if (values.numel() == 0) return;
    void* const data = values.data_ptr();
    nccl_check(ncclBroadcast(data, data, values.nbytes(), ncclInt8, root, comm, stream),
               "ncclBroadcast");
  };
  queue(values, waiting, part)->finish(waiting);
}

/// As many broadcasts, in one operation: the shapes may differ.
void NcclTransport::all_gather(const at::Tensor& mine, std::span<const at::Tensor> all,
                               const Waiting& waiting) {
  const auto part = [&](ncclComm_t comm, cudaStream_t stream) {
    nccl_check(ncclGroupStart(), "ncclGroupStart");
    for (std::size_t r = 0; r < all.size(); ++r) {
      if (all[r].numel() == 0) continue;
      const bool is_own = world_ranks_[r] == waiting.shared().world_rank;
      void* const data = all[r].data_ptr();
      nccl_check(ncclBroadcast(is_own ? mine.const_data_ptr() : data, data, all[r].nbytes(),
                               ncclInt8, static_cast<int>(r), comm, stream),
                 "ncclBroadcast");
    }
    nccl_check(ncclGroupEnd(), "ncclGroupEnd");
  };
  queue(mine, waiting, part)->finish(waiting);
}

void NcclTransport::barrier(const Waiting& waiting) {
  Watch::of_process().rethrow();
  control_->barrier(waiting);
  waiting.note_end();
}

std::unique_ptr<Transport> NcclTransport::group(const std::vector<int>& members, Traffic traffic,
                                                const Waiting& waiting) {
  Watch::of_process().rethrow();
  std::vector<int> world_ranks;
  for (const int member : members)
    world_ranks.push_back(world_ranks_[static_cast<std::size_t>(member)]);
  auto made = nccl_transport(control_->group(members, traffic, waiting), device_,
                             std::move(world_ranks), traffic, waiting);
  waiting.note_end();
  return made;
}

}  // namespace

std::unique_ptr<Transport> nccl_transport(std::unique_ptr<Transport> control, at::Device device,
                                          std::vector<int> world_ranks, Traffic traffic,
                                          const Waiting& waiting) {
  FG_CHECK(device.is_cuda());
  const auto own = std::find(world_ranks.begin(), world_ranks.end(), waiting.shared().world_rank);
  Start start;
  start.rank = static_cast<int>(own - world_ranks.begin());
  start.ranks = static_cast<int>(world_ranks.size());
  start.device = device;
  start.traffic = traffic;
  if (start.rank == 0) nccl_check(ncclGetUniqueId(&start.id), "ncclGetUniqueId");
  const at::Tensor id = at::zeros({NCCL_UNIQUE_ID_BYTES}, at::kByte);
  std::memcpy(id.data_ptr(), &start.id, sizeof start.id);
  control->broadcast(id, 0, waiting);
  std::memcpy(&start.id, id.data_ptr(), sizeof start.id);
  auto link = std::make_shared<Link>(start, waiting);
  return std::make_unique<NcclTransport>(std::move(control), device, std::move(world_ranks),
                                         traffic, std::move(link));
}

}  // namespace fg::comm
