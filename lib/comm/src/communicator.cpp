#include "fg/comm/communicator.hpp"

#include <algorithm>
#include <utility>

#include <fg/base/error.hpp>

#include "describe.hpp"
#include "transport.hpp"

namespace fg::comm {
namespace {

void check_tensor(const char* operation, const at::Tensor& values, at::Device device) {
  const auto refuse = [&](const std::string& why) {
    fail(ExitCode::bug, std::string(operation) + " of a tensor that " + why);
  };
  if (!values.defined()) refuse("is not defined");
  if (!values.is_contiguous()) refuse("is not contiguous");
  if (values.device() != device)
    refuse(device.is_cpu() ? "is not in host memory" : "is not on " + device.str());
  if (values.dim() > 8) refuse("has more than 8 dimensions");
}

void check_summable(const at::Tensor& values) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kDouble, at::kLong, at::kInt})
    if (values.scalar_type() == type) return;
  fail(ExitCode::bug, "no sums of " + describe(values.scalar_type(), values.sizes()));
}

Operation operation_on(const char* name, const at::Tensor& values, const Shared& shared,
                       std::vector<int> peers) {
  check_tensor(name, values, shared.device);
  return {name, describe(values.scalar_type(), values.sizes()),
          static_cast<std::uint64_t>(values.nbytes()), std::move(peers), std::nullopt};
}

}  // namespace

struct Pending::State {
  std::shared_ptr<Shared> shared;
  Operation operation;
  std::uint64_t number = 0;
  std::unique_ptr<Transfer> transfer;
  bool notes_end = false;  // the transport does
};

Pending::Pending() noexcept = default;
Pending::Pending(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Pending::Pending(Pending&& other) noexcept = default;
Pending& Pending::operator=(Pending&& other) noexcept = default;
Pending::~Pending() = default;

bool Pending::is_done() {
  if (!state_) return true;
  if (!state_->transfer->advance()) return false;
  if (!state_->notes_end) state_->shared->history.end(state_->number);
  state_.reset();
  return true;
}

void Pending::wait() {
  if (!state_) return;
  state_->transfer->finish(Waiting(*state_->shared, state_->operation, state_->number));
  if (!state_->notes_end) state_->shared->history.end(state_->number);
  state_.reset();
}

std::unique_ptr<Communicator> Communicator::connect(session::Session& session, Options options,
                                                    at::Device device) {
  FG_CHECK(options.timeout_s > 0);
  FG_CHECK(options.piece_bytes > 0 && options.piece_bytes <= 64 << 20);
  FG_CHECK(options.simulate_bytes_per_second >= 0);
  std::vector<int> all(static_cast<std::size_t>(session.size()));
  for (std::size_t r = 0; r < all.size(); ++r) all[r] = static_cast<int>(r);
  const auto piece_bytes = options.piece_bytes;
  auto shared = std::make_shared<Shared>(std::move(options), session.rank(), device);
  std::unique_ptr<Transport> transport =
      session.size() == 1 ? local_transport(0) : mpi_transport(session, piece_bytes);
  if (session.size() > 1 && !device.is_cpu()) {
    const Operation operation{"connect", "", 0, all, std::nullopt};
    const Waiting waiting(*shared, operation, shared->history.begin(operation));
    transport = nccl_transport(std::move(transport), device, all, shared->options.traffic, waiting);
    waiting.note_end();
  }
  return std::unique_ptr<Communicator>(
      new Communicator(std::move(shared), std::move(transport), std::move(all)));
}

void Communicator::abort_all() {
  abort_nccl();
}

Communicator::Communicator(std::shared_ptr<Shared> shared, std::unique_ptr<Transport> transport,
                           std::vector<int> world_ranks)
    : shared_(std::move(shared)),
      transport_(std::move(transport)),
      world_ranks_(std::move(world_ranks)) {
  const auto own = std::find(world_ranks_.begin(), world_ranks_.end(), shared_->world_rank);
  rank_ = static_cast<int>(own - world_ranks_.begin());
}

Communicator::~Communicator() = default;

template <typename Part>
void Communicator::collective(Operation operation, Part&& part) {
  const std::uint64_t number = shared_->history.begin(operation);
  part(Waiting(*shared_, operation, number));
  if (!transport_->notes_ends()) shared_->history.end(number);
}

std::vector<int> Communicator::others() const {
  std::vector<int> ranks = world_ranks_;
  ranks.erase(ranks.begin() + rank_);
  return ranks;
}

std::unique_ptr<Communicator> Communicator::group(const std::vector<int>& world_ranks,
                                                  Traffic traffic) {
  std::vector<int> members, sorted = world_ranks;
  for (const int rank : world_ranks) {
    const auto found = std::find(world_ranks_.begin(), world_ranks_.end(), rank);
    FG_CHECK(found != world_ranks_.end());
    members.push_back(static_cast<int>(found - world_ranks_.begin()));
  }
  std::sort(sorted.begin(), sorted.end());
  FG_CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
  FG_CHECK(std::binary_search(sorted.begin(), sorted.end(), shared_->world_rank));
  std::unique_ptr<Transport> transport;
  if (members.size() == 1)
    transport = local_transport(shared_->world_rank);
  else
    collective({"group", "", 0, world_ranks, std::nullopt}, [&](const Waiting& waiting) {
      transport = transport_->group(members, traffic, waiting);
    });
  return std::unique_ptr<Communicator>(
      new Communicator(shared_, std::move(transport), world_ranks));
}

void Communicator::barrier() {
  collective({"barrier", "", 0, others(), std::nullopt},
             [&](const Waiting& waiting) { transport_->barrier(waiting); });
}

void Communicator::broadcast(const at::Tensor& values, int root) {
  FG_CHECK(root >= 0 && root < size());
  collective(operation_on("broadcast", values, *shared_, others()),
             [&](const Waiting& waiting) { transport_->broadcast(values, root, waiting); });
}

void Communicator::all_reduce_sum(const at::Tensor& values) {
  all_reduce_sum(values, values);
}

void Communicator::all_reduce_sum(const at::Tensor& mine, const at::Tensor& sum) {
  Operation operation = operation_on("all_reduce_sum", mine, *shared_, others());
  check_tensor("all_reduce_sum", sum, shared_->device);
  check_summable(mine);
  check_summable(sum);
  FG_CHECK(mine.sizes() == sum.sizes());
  FG_CHECK(mine.is_floating_point() == sum.is_floating_point());
  collective(std::move(operation),
             [&](const Waiting& waiting) { transport_->all_reduce_sum(mine, sum, waiting); });
}

void Communicator::all_gather(const at::Tensor& mine, std::span<const at::Tensor> all) {
  Operation operation = operation_on("all_gather", mine, *shared_, others());
  FG_CHECK(all.size() == world_ranks_.size());
  for (const at::Tensor& each : all) check_tensor("all_gather", each, shared_->device);
  const at::Tensor& own = all[static_cast<std::size_t>(rank_)];
  FG_CHECK(own.sizes() == mine.sizes() && own.scalar_type() == mine.scalar_type());
  collective(std::move(operation),
             [&](const Waiting& waiting) { transport_->all_gather(mine, all, waiting); });
}

Pending Communicator::begin(Operation operation,
                            std::function<std::unique_ptr<Transfer>(const Waiting&)> start) {
  auto state = std::make_unique<Pending::State>();
  state->shared = shared_;
  state->operation = std::move(operation);
  state->number = shared_->history.begin(state->operation);
  state->notes_end = transport_->notes_ends();
  state->transfer = start(Waiting(*shared_, state->operation, state->number));
  return Pending(std::move(state));
}

Pending Communicator::begin_all_reduce_sum(const at::Tensor& values) {
  Operation operation = operation_on("all_reduce_sum", values, *shared_, others());
  check_summable(values);
  return begin(std::move(operation), [&](const Waiting& waiting) {
    return transport_->begin_all_reduce_sum(values, waiting);
  });
}

Pending Communicator::message(bool is_send, const at::Tensor& values, int peer, int tag) {
  FG_CHECK(peer >= 0 && peer < size());
  FG_CHECK(tag >= 0 && tag < user_tags);
  Operation operation = operation_on(is_send ? "send" : "recv", values, *shared_,
                                     {world_ranks_[static_cast<std::size_t>(peer)]});
  operation.tag = tag;
  return begin(std::move(operation), [&](const Waiting& waiting) {
    return is_send ? transport_->send(values, peer, tag, waiting)
                   : transport_->recv(values, peer, tag, waiting);
  });
}

Pending Communicator::isend(const at::Tensor& values, int to, int tag) {
  return message(true, values, to, tag);
}

Pending Communicator::irecv(const at::Tensor& values, int from, int tag) {
  return message(false, values, from, tag);
}

void Communicator::poll() {
  transport_->poll();
}

void Communicator::send(const at::Tensor& values, int to, int tag) {
  isend(values, to, tag).wait();
}

void Communicator::recv(const at::Tensor& values, int from, int tag) {
  irecv(values, from, tag).wait();
}

double Communicator::timeout() const noexcept {
  return shared_->timeout_s;
}

void Communicator::set_timeout(double seconds) {
  FG_CHECK(seconds > 0);
  shared_->timeout_s = seconds;
}

void Communicator::write_history(const std::filesystem::path& path) const {
  shared_->history.write(path, shared_->world_rank);
}

}  // namespace fg::comm
