#include <algorithm>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/session/mpi_check.hpp>

#include "control.hpp"

namespace fg::session {
namespace {

constexpr std::size_t piece_bytes = std::size_t{16} << 20;
constexpr std::uint64_t longest_text = std::uint64_t{1} << 36;  // so that a wild length is told

}  // namespace

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::agree:
      return "agree";
    case Kind::smallest:
      return "smallest";
    case Kind::united:
      return "united";
    case Kind::broadcast:
      return "broadcast";
    case Kind::gather:
      return "gather";
    case Kind::waiting:
      return "waiting";
    case Kind::verdict:
      return "verdict";
  }
  return "unknown";
}

Letter::Letter(MPI_Comm comm, int peer, int tag, Header header, std::string text)
    : comm_(comm),
      peer_(peer),
      tag_(tag),
      is_send_(true),
      content_(std::make_unique<Content>(Content{header, std::move(text)})) {
  content_->header.length = content_->text.size();
  mpi_check(MPI_Isend(&content_->header, sizeof(Header), MPI_BYTE, peer_, tag_, comm_,
                      &requests_.emplace_back(MPI_REQUEST_NULL)),
            "MPI_Isend");
  start_pieces();
}

Letter::Letter(MPI_Comm comm, int peer, int tag)
    : comm_(comm), peer_(peer), tag_(tag), is_send_(false), content_(std::make_unique<Content>()) {
  mpi_check(MPI_Irecv(&content_->header, sizeof(Header), MPI_BYTE, peer_, tag_, comm_,
                      &requests_.emplace_back(MPI_REQUEST_NULL)),
            "MPI_Irecv");
}

Letter::~Letter() {
  bool is_done = false;
  try {
    is_done = advance();
  } catch (const Error&) {  // then MPI may have its memory still
  }
  if (is_done) return;
  static auto& kept = *new std::vector<std::unique_ptr<Content>>;
  kept.push_back(std::move(content_));
}

void Letter::start_pieces() {
  std::string& text = content_->text;
  for (std::size_t begin = 0; begin < text.size(); begin += piece_bytes) {
    const int count = static_cast<int>(std::min(piece_bytes, text.size() - begin));
    MPI_Request& request = requests_.emplace_back(MPI_REQUEST_NULL);
    if (is_send_)
      mpi_check(MPI_Isend(text.data() + begin, count, MPI_BYTE, peer_, tag_, comm_, &request),
                "MPI_Isend");
    else
      mpi_check(MPI_Irecv(text.data() + begin, count, MPI_BYTE, peer_, tag_, comm_, &request),
                "MPI_Irecv");
  }
}

bool Letter::advance() {
  for (; done_ < requests_.size(); ++done_) {
    int is_done = 0;
    mpi_check(MPI_Test(&requests_[done_], &is_done, MPI_STATUS_IGNORE), "MPI_Test");
    if (is_done == 0) return false;
    if (is_send_ || done_ > 0) continue;
    FG_CHECK(content_->header.length <= longest_text);
    content_->text.resize(content_->header.length);
    start_pieces();
  }
  return true;
}

}  // namespace fg::session
