#include "fg/comm/communicator.hpp"

#include <algorithm>
#include <utility>

#include <fg/base/error.hpp>

#include "describe.hpp"
#include "transport.hpp"

namespace fg::comm {
namespace {

void check_tensor(const char* operation, const at::Tensor& values) {
  const auto refuse = [&](const std::string& why) {
    fail(ExitCode::bug, std::string(operation) + " of a tensor that " + why);
  };
  if (!values.defined()) refuse("is not defined");
  if (!values.is_contiguous()) refuse("is not contiguous");
  if (!values.is_cpu()) refuse("is not in host memory");
  if (values.dim() > 8) refuse("has more than 8 dimensions");
}

bool can_be_summed(at::ScalarType type) {
  return type == at::kFloat || type == at::kBFloat16 || type == at::kDouble || type == at::kLong ||
         type == at::kInt;
}

Operation operation_on(const char* name, const at::Tensor& values, std::vector<int> peers) {
  check_tensor(name, values);
  return {name, describe(values.scalar_type(), values.sizes()),
          static_cast<std::uint64_t>(values.nbytes()), std::move(peers), std::nullopt};
}

}  // namespace

struct Pending::State {
  std::shared_ptr<Shared> shared;
  Operation operation;
  std::uint64_t number = 0;
  std::unique_ptr<Transfer> transfer;
};

Pending::Pending() noexcept = default;
Pending::Pending(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Pending::Pending(Pending&& other) noexcept = default;
Pending& Pending::operator=(Pending&& other) noexcept = default;
Pending::~Pending() = default;

bool Pending::is_done() {
  if (!state_) return true;
  if (!state_->transfer->advance()) return false;
  state_->shared->history.end(state_->number);
  state_.reset();
  return true;
}

void Pending::wait() {
  if (!state_) return;
  Waiting(*state_->shared, state_->operation).until_done(std::span(&state_->transfer, 1));
  state_->shared->history.end(state_->number);
  state_.reset();
}

std::unique_ptr<Communicator> Communicator::connect(session::Session& session, Options options) {
  FG_CHECK(options.timeout_s > 0);
  FG_CHECK(options.piece_bytes > 0 && options.piece_bytes <= 64 << 20);
  std::vector<int> all(static_cast<std::size_t>(session.size()));
  for (std::size_t r = 0; r < all.size(); ++r) all[r] = static_cast<int>(r);
  auto transport =
      session.size() == 1 ? local_transport(0) : mpi_transport(session, options.piece_bytes);
  auto shared = std::make_shared<Shared>(std::move(options), session.rank());
  return std::unique_ptr<Communicator>(
      new Communicator(std::move(shared), std::move(transport), std::move(all)));
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
  part(Waiting(*shared_, operation));
  shared_->history.end(number);
}

std::vector<int> Communicator::others() const {
  std::vector<int> ranks = world_ranks_;
  ranks.erase(ranks.begin() + rank_);
  return ranks;
}

std::unique_ptr<Communicator> Communicator::group(const std::vector<int>& world_ranks) {
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
    collective({"group", "", 0, world_ranks, std::nullopt},
               [&](const Waiting& waiting) { transport = transport_->group(members, waiting); });
  return std::unique_ptr<Communicator>(
      new Communicator(shared_, std::move(transport), world_ranks));
}

void Communicator::barrier() {
  collective({"barrier", "", 0, others(), std::nullopt},
             [&](const Waiting& waiting) { transport_->barrier(waiting); });
}

void Communicator::broadcast(const at::Tensor& values, int root) {
  FG_CHECK(root >= 0 && root < size());
  collective(operation_on("broadcast", values, others()),
             [&](const Waiting& waiting) { transport_->broadcast(values, root, waiting); });
}

void Communicator::all_reduce_sum(const at::Tensor& values) {
  all_reduce_sum(values, values);
}

void Communicator::all_reduce_sum(const at::Tensor& mine, const at::Tensor& sum) {
  Operation operation = operation_on("all_reduce_sum", mine, others());
  check_tensor("all_reduce_sum", sum);
  for (const at::Tensor& each : {mine, sum})
    if (!can_be_summed(each.scalar_type()))
      fail(ExitCode::bug, "no sums of " + describe(each.scalar_type(), each.sizes()));
  FG_CHECK(mine.sizes() == sum.sizes());
  FG_CHECK(mine.is_floating_point() == sum.is_floating_point());
  collective(std::move(operation),
             [&](const Waiting& waiting) { transport_->all_reduce_sum(mine, sum, waiting); });
}

void Communicator::all_gather(const at::Tensor& mine, std::span<const at::Tensor> all) {
  Operation operation = operation_on("all_gather", mine, others());
  FG_CHECK(all.size() == world_ranks_.size());
  for (const at::Tensor& each : all) check_tensor("all_gather", each);
  const at::Tensor& own = all[static_cast<std::size_t>(rank_)];
  FG_CHECK(own.sizes() == mine.sizes() && own.scalar_type() == mine.scalar_type());
  collective(std::move(operation),
             [&](const Waiting& waiting) { transport_->all_gather(mine, all, waiting); });
}

Pending Communicator::begin(bool is_send, const at::Tensor& values, int peer, int tag) {
  FG_CHECK(peer >= 0 && peer < size());
  FG_CHECK(tag >= 0 && tag < user_tags);
  auto state = std::make_unique<Pending::State>();
  state->shared = shared_;
  state->operation = operation_on(is_send ? "send" : "recv", values,
                                  {world_ranks_[static_cast<std::size_t>(peer)]});
  state->operation.tag = tag;
  state->number = shared_->history.begin(state->operation);
  state->transfer =
      is_send ? transport_->send(values, peer, tag) : transport_->recv(values, peer, tag);
  return Pending(std::move(state));
}

Pending Communicator::isend(const at::Tensor& values, int to, int tag) {
  return begin(true, values, to, tag);
}

Pending Communicator::irecv(const at::Tensor& values, int from, int tag) {
  return begin(false, values, from, tag);
}

void Communicator::send(const at::Tensor& values, int to, int tag) {
  isend(values, to, tag).wait();
}

void Communicator::recv(const at::Tensor& values, int from, int tag) {
  irecv(values, from, tag).wait();
}

void Communicator::set_timeout(double seconds) {
  FG_CHECK(seconds > 0);
  shared_->timeout_s = seconds;
}

void Communicator::write_history(const std::filesystem::path& path) const {
  shared_->history.write(path, shared_->world_rank);
}

}  // namespace fg::comm
