#include "../transport.hpp"

#include <algorithm>
#include <limits>

#include <ATen/ops/empty.h>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/session/mpi_check.hpp>

#include "../describe.hpp"
#include "message.hpp"
#include "sums.hpp"

namespace fg::comm {
namespace {

using session::mpi_check;

// MPI's tags: one for collectives, one for making groups, then the users'.
constexpr int collective_tag = 0;
constexpr int group_tag = 1;
constexpr int first_user_tag = 2;
static_assert(first_user_tag + user_tags - 1 <= 32767);  // the least that MPI promises

// A sum goes through the ranks in blocks of so many bytes a rank, which bounds what it needs
// besides and keeps it in the cache (blocks of 16 MiB took twice as long on two ranks: measured).
constexpr std::int64_t block_bytes = 1 << 20;

/// Elements [begin, begin + count).
struct Part {
  std::int64_t begin = 0;
  std::int64_t count = 0;
  at::Tensor of(const at::Tensor& flat) const { return flat.narrow(0, begin, count); }
};

/// The piece of a block that one rank adds up; the first ones get what does not divide.
Part part_of(const Part& block, int rank, int ranks) {
  const std::int64_t least = block.count / ranks;
  const std::int64_t more = block.count % ranks;
  return {block.begin + rank * least + std::min<std::int64_t>(rank, more),
          least + (rank < more ? 1 : 0)};
}

std::uint64_t fingerprint(const std::vector<int>& ranks) {  // FNV-1a
  std::uint64_t hash = 14695981039346656037u;
  for (const int rank : ranks) hash = (hash ^ static_cast<std::uint64_t>(rank)) * 1099511628211u;
  return hash;
}

class MpiTransport final : public Transport {
public:
  /// Takes over `group`.
  MpiTransport(MPI_Comm group, std::vector<int> world_ranks, std::int64_t piece_bytes);
  ~MpiTransport() override;

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
  void poll() override;

private:
  std::unique_ptr<Transfer> message(bool is_send, int peer, int tag, const Header& header,
                                    const at::Tensor& values,
                                    Message::Clock::time_point arrives = {}) const;
  void check_free(const Waiting& waiting) const;
  void add_up(const at::Tensor& mine, const at::Tensor& sum, const Waiting& waiting);
  void meet(const std::vector<int>& members, int tag, const Header& header,
            const Waiting& waiting) const;
  void add_block(const Part& block, const at::Tensor& mine, const at::Tensor& sum,
                 const Header& header, const Waiting& waiting) const;
  at::Tensor add_parts(const std::vector<at::Tensor>& parts, const at::Tensor& like) const;

  MPI_Comm group_;
  std::vector<int> world_ranks_;
  std::int64_t piece_bytes_;
  int rank_ = 0;
  int size_ = 0;
  std::uint64_t number_ = 0;  // of the next collective
  /// Those begun and not waited for. Its thread is the only one that uses the rest meanwhile.
  Sums sums_;
};

MpiTransport::MpiTransport(MPI_Comm group, std::vector<int> world_ranks, std::int64_t piece_bytes)
    : group_(group),
      world_ranks_(std::move(world_ranks)),
      piece_bytes_(piece_bytes),
      sums_([this](const at::Tensor& values, const Waiting& waiting) {
        add_up(values, values, waiting);
      }) {
  mpi_check(MPI_Comm_set_errhandler(group_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  mpi_check(MPI_Comm_rank(group_, &rank_), "MPI_Comm_rank");
  mpi_check(MPI_Comm_size(group_, &size_), "MPI_Comm_size");
}

MpiTransport::~MpiTransport() {
  sums_.end();
  // What was given up half sent may still arrive: it must not reach a group that is given the same
  // number.
  if (!sums_.has_failed()) MPI_Comm_free(&group_);
}

void MpiTransport::check_free(const Waiting& waiting) const {
  if (sums_.are_under_way())
    fail(ExitCode::bug,
         describe(waiting.operation()) + " while sums of begin_all_reduce_sum are under way");
}

std::unique_ptr<Transfer> MpiTransport::message(bool is_send, int peer, int tag,
                                                const Header& header, const at::Tensor& values,
                                                Message::Clock::time_point arrives) const {
  std::span<std::byte> bytes;
  if (values.defined() && values.numel() > 0)
    bytes = {static_cast<std::byte*>(values.data_ptr()), values.nbytes()};
  const Peer whom{group_, peer, world_ranks_[static_cast<std::size_t>(peer)], tag};
  return std::make_unique<Message>(is_send, whom, header, bytes, values, piece_bytes_, arrives);
}

std::unique_ptr<Transfer> MpiTransport::send(const at::Tensor& values, int to, int tag,
                                             const Waiting& waiting) {
  check_free(waiting);
  return message(true, to, first_user_tag + tag, header_of(Kind::message, values), values,
                 waiting.shared().wire.carry(values.nbytes()));
}

std::unique_ptr<Transfer> MpiTransport::recv(const at::Tensor& values, int from, int tag,
                                             const Waiting& waiting) {
  check_free(waiting);
  return message(false, from, first_user_tag + tag, header_of(Kind::message, values), values);
}

/// Whatever MPI is asked, it moves on all that is under way.
void MpiTransport::poll() {
  int has_come = 0;
  mpi_check(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, group_, &has_come, MPI_STATUS_IGNORE),
            "MPI_Iprobe");
}

/// Returns once every member has come: each tells each, so a wait knows who is missing.
void MpiTransport::meet(const std::vector<int>& members, int tag, const Header& header,
                        const Waiting& waiting) const {
  Transfers transfers;
  for (const bool is_send : {false, true})
    for (const int member : members)
      if (member != rank_) transfers.push_back(message(is_send, member, tag, header, {}));
  waiting.until_done(transfers);
}

void MpiTransport::barrier(const Waiting& waiting) {
  check_free(waiting);
  std::vector<int> all(static_cast<std::size_t>(size_));
  for (int r = 0; r < size_; ++r) all[static_cast<std::size_t>(r)] = r;
  Header header;
  header.kind = Kind::barrier;
  header.number = number_++;
  meet(all, collective_tag, header, waiting);
}

/// Along a binomial tree.
void MpiTransport::broadcast(const at::Tensor& values, int root, const Waiting& waiting) {
  check_free(waiting);
  Header header = header_of(Kind::broadcast, values);
  header.number = number_++;
  header.argument = root;
  const int place = (rank_ - root + size_) % size_;
  int reach = 1;
  for (; reach < size_ && (place & reach) == 0; reach *= 2) {
  }
  if (place != 0) {
    Transfers from;
    from.push_back(message(false, (rank_ - reach + size_) % size_, collective_tag, header, values));
    waiting.until_done(from);
  }
  Transfers to;
  for (int step = reach / 2; step > 0; step /= 2)
    if (place + step < size_)
      to.push_back(message(true, (rank_ + step) % size_, collective_tag, header, values));
  waiting.until_done(to);
}

void MpiTransport::all_gather(const at::Tensor& mine, std::span<const at::Tensor> all,
                              const Waiting& waiting) {
  check_free(waiting);
  const std::uint64_t number = number_++;
  const auto header = [&](const at::Tensor& values) {
    Header made = header_of(Kind::all_gather, values);
    made.number = number;
    return made;
  };
  const at::Tensor& own = all[static_cast<std::size_t>(rank_)];
  if (own.data_ptr() != mine.data_ptr()) own.copy_(mine);
  Transfers transfers;
  for (int r = 0; r < size_; ++r) {
    if (r == rank_) continue;
    const at::Tensor& theirs = all[static_cast<std::size_t>(r)];
    transfers.push_back(message(false, r, collective_tag, header(theirs), theirs));
    transfers.push_back(message(true, r, collective_tag, header(mine), mine));
  }
  waiting.until_done(transfers);
}

std::unique_ptr<Transfer> MpiTransport::begin_all_reduce_sum(const at::Tensor& values,
                                                             const Waiting& waiting) {
  return sums_.begin(values, waiting);
}

void MpiTransport::all_reduce_sum(const at::Tensor& mine, const at::Tensor& sum,
                                  const Waiting& waiting) {
  check_free(waiting);
  add_up(mine, sum, waiting);
}

/// Each rank adds up its part of a block and sends it to all.
void MpiTransport::add_up(const at::Tensor& mine, const at::Tensor& sum, const Waiting& waiting) {
  Header header = header_of(Kind::all_reduce_sum, mine);
  header.number = number_++;
  header.argument = static_cast<std::int32_t>(sum.scalar_type());
  const at::Tensor flat = mine.view({-1});
  const at::Tensor flat_sum = sum.view({-1});
  const auto element = std::max<std::int64_t>(mine.element_size(), sum.element_size());
  const std::int64_t most =
      std::max<std::int64_t>(size_, std::min(block_bytes * size_, piece_bytes_) / element);
  Part block;
  do {  // once for an empty tensor too: all ranks meet
    block.count = std::min(most, flat.numel() - block.begin);
    add_block(block, flat, flat_sum, header, waiting);
    block.begin += block.count;
  } while (block.begin < flat.numel());
}

void MpiTransport::add_block(const Part& block, const at::Tensor& mine, const at::Tensor& sum,
                             const Header& header, const Waiting& waiting) const {
  const Part own = part_of(block, rank_, size_);
  std::vector<at::Tensor> parts(static_cast<std::size_t>(size_));
  Transfers transfers;
  for (int r = 0; r < size_; ++r) {
    at::Tensor& part = parts[static_cast<std::size_t>(r)];
    part = r == rank_ ? own.of(mine) : at::empty({own.count}, mine.options());
    if (r != rank_) transfers.push_back(message(false, r, collective_tag, header, part));
  }
  for (int r = 0; r < size_; ++r)
    if (r != rank_)
      transfers.push_back(
          message(true, r, collective_tag, header, part_of(block, r, size_).of(mine)));
  waiting.until_done(transfers);
  transfers.clear();

  // `sum` may be `mine`, so nothing of it is written before all of `mine` has been read.
  const at::Tensor total = own.of(sum);
  total.copy_(add_parts(parts, total));
  for (int r = 0; r < size_; ++r)
    if (r != rank_)
      transfers.push_back(
          message(false, r, collective_tag, header, part_of(block, r, size_).of(sum)));
  for (int r = 0; r < size_; ++r)
    if (r != rank_) transfers.push_back(message(true, r, collective_tag, header, total));
  waiting.until_done(transfers);
}

/// As params::Gradients adds microbatches.
at::Tensor MpiTransport::add_parts(const std::vector<at::Tensor>& parts,
                                   const at::Tensor& like) const {
  static const bool swaps = fault_planted("comm.reduction_order");
  static const bool is_narrow = fault_planted("comm.reduced_in_bfloat16");
  static const bool rounds_once = fault_planted("comm.rounded_once");
  const std::size_t last = parts.size() - 1;
  at::ScalarType type = like.scalar_type();
  if (is_narrow) type = parts[0].scalar_type();
  if (rounds_once && type == at::kBFloat16) type = at::kFloat;
  const at::Tensor running = at::empty(like.sizes(), like.options().dtype(type));
  for (std::size_t i = 0; i <= last; ++i) {
    const at::Tensor& part = parts[swaps ? last - i : i];
    if (i == 0)
      running.copy_(part);
    else
      running.add_(part);
  }
  return running;
}

std::unique_ptr<Transport> MpiTransport::group(const std::vector<int>& members, Traffic,
                                               const Waiting& waiting) {
  check_free(waiting);
  Header header;
  header.kind = Kind::group;
  header.number = fingerprint(members);
  // MPI's own call waits without end, so all must have come before it.
  meet(members, group_tag, header, waiting);
  MPI_Group all = MPI_GROUP_NULL;
  MPI_Group chosen = MPI_GROUP_NULL;
  MPI_Comm made = MPI_COMM_NULL;
  mpi_check(MPI_Comm_group(group_, &all), "MPI_Comm_group");
  mpi_check(MPI_Group_incl(all, static_cast<int>(members.size()), members.data(), &chosen),
            "MPI_Group_incl");
  const int tag = static_cast<int>(header.number % 32767);
  mpi_check(MPI_Comm_create_group(group_, chosen, tag, &made), "MPI_Comm_create_group");
  mpi_check(MPI_Group_free(&chosen), "MPI_Group_free");
  mpi_check(MPI_Group_free(&all), "MPI_Group_free");
  std::vector<int> world_ranks;
  for (const int member : members)
    world_ranks.push_back(world_ranks_[static_cast<std::size_t>(member)]);
  return std::make_unique<MpiTransport>(made, std::move(world_ranks), piece_bytes_);
}

}  // namespace

std::unique_ptr<Transport> mpi_transport(session::Session& session, std::int64_t piece_bytes) {
  session.agree(ExitCode::done);  // MPI's own call waits without end, so all must have come
  MPI_Comm all = MPI_COMM_NULL;
  mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &all), "MPI_Comm_dup");
  std::vector<int> world_ranks(static_cast<std::size_t>(session.size()));
  for (std::size_t r = 0; r < world_ranks.size(); ++r) world_ranks[r] = static_cast<int>(r);
  return std::make_unique<MpiTransport>(all, std::move(world_ranks), piece_bytes);
}

}  // namespace fg::comm
