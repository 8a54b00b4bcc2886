#include "message.hpp"

#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/session/mpi_check.hpp>

#include "../describe.hpp"

namespace fg::comm {
namespace {

using session::mpi_check;

/// Memory that MPI may still read or write after its message was given up. Never freed: the job
/// ends soon.
void keep_for_ever(std::unique_ptr<Envelope> wire, at::Tensor memory) {
  static auto& all = *new std::vector<std::pair<std::unique_ptr<Envelope>, at::Tensor>>;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  all.emplace_back(std::move(wire), std::move(memory));
}

/// True if MPI will not touch the request's memory any more.
bool take_back(MPI_Request& request, bool is_send) {
  int is_done = 0;
  mpi_check(MPI_Test(&request, &is_done, MPI_STATUS_IGNORE), "MPI_Test");
  if (is_done != 0 || is_send) return is_done != 0;  // a send cannot be taken back
  mpi_check(MPI_Cancel(&request), "MPI_Cancel");
  for (int i = 0; i < 100 && is_done == 0; ++i) {
    mpi_check(MPI_Test(&request, &is_done, MPI_STATUS_IGNORE), "MPI_Test");
    if (is_done == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return is_done != 0;
}

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::message:
      return "message";
    case Kind::barrier:
      return "barrier";
    case Kind::broadcast:
      return "broadcast";
    case Kind::all_reduce_sum:
      return "all_reduce_sum";
    case Kind::all_gather:
      return "all_gather";
    case Kind::group:
      return "group";
  }
  return "unknown operation";
}

}  // namespace

Header header_of(Kind kind, const at::Tensor& values) {
  Header header;
  header.kind = kind;
  header.type = static_cast<std::int32_t>(values.scalar_type());
  header.dimensions = static_cast<std::int32_t>(values.dim());
  for (std::int64_t d = 0; d < values.dim(); ++d)
    header.sizes[static_cast<std::size_t>(d)] = values.size(d);
  return header;
}

std::string describe(const Header& header) {
  std::string text = name_of(header.kind);
  if (header.kind != Kind::message && header.kind != Kind::group)
    text += " number " + std::to_string(header.number);
  if (header.kind == Kind::broadcast) text += " from " + std::to_string(header.argument);
  if (header.type >= 0)
    text += " of " +
            describe(static_cast<at::ScalarType>(header.type),
                     std::span(header.sizes).first(static_cast<std::size_t>(header.dimensions)));
  if (header.kind == Kind::all_reduce_sum)
    text += " in " + describe(static_cast<at::ScalarType>(header.argument), {});
  return text;
}

Message::Message(bool is_send, const Peer& peer, const Header& header, at::Tensor memory,
                 Clock::time_point arrives)
    : is_send_(is_send),
      world_rank_(peer.world_rank),
      expected_(header),
      wire_(std::make_unique<Envelope>(
          Envelope{header, static_cast<std::int64_t>(arrives.time_since_epoch().count())})),
      memory_(std::move(memory)) {}

Message::Message(bool is_send, const Peer& peer, const Header& header, std::span<std::byte> bytes,
                 at::Tensor memory, std::int64_t piece_bytes, Clock::time_point arrives)
    : Message(is_send, peer, header, std::move(memory), arrives) {
  static const bool loses_piece = fault_planted("comm.piece_lost");
  start(peer, wire_.get(), sizeof(Envelope));
  const auto piece = static_cast<std::size_t>(piece_bytes);
  for (std::size_t begin = 0; begin < bytes.size(); begin += piece) {
    const bool is_last = bytes.size() - begin <= piece;
    if (loses_piece && is_last && begin > 0) break;
    start(peer, bytes.data() + begin, is_last ? bytes.size() - begin : piece);
  }
}

void Message::start(const Peer& peer, void* data, std::size_t bytes) {
  const int count = static_cast<int>(bytes);
  MPI_Request& request = requests_.emplace_back(MPI_REQUEST_NULL);
  if (is_send_)
    mpi_check(MPI_Isend(data, count, MPI_BYTE, peer.rank, peer.tag, peer.group, &request),
              "MPI_Isend");
  else
    mpi_check(MPI_Irecv(data, count, MPI_BYTE, peer.rank, peer.tag, peer.group, &request),
              "MPI_Irecv");
}

Message::~Message() {
  try {
    bool is_free = true;
    for (; done_ < requests_.size(); ++done_)
      is_free = take_back(requests_[done_], is_send_) && is_free;
    if (is_free) return;
  } catch (const Error&) {  // then MPI may have its memory still
  }
  keep_for_ever(std::move(wire_), std::move(memory_));
}

bool Message::advance() {
  for (; done_ < requests_.size(); ++done_) {
    int is_done = 0;
    mpi_check(MPI_Test(&requests_[done_], &is_done, MPI_STATUS_IGNORE), "MPI_Test");
    if (is_done == 0) return false;
    if (done_ == 0 && !is_send_) check_header();
  }
  return wire_->arrives == 0 || Clock::now().time_since_epoch().count() >= wire_->arrives;
}

void Message::check_header() const {
  static const bool is_blind = fault_planted("comm.shapes_not_compared");
  if (wire_->header == expected_ || is_blind) return;
  fail(ExitCode::ranks_disagree, "rank " + std::to_string(world_rank_) + " takes part with " +
                                     describe(wire_->header) + " where this rank expects " +
                                     describe(expected_));
}

}  // namespace fg::comm
