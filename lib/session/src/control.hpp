#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <mpi.h>

namespace fg::session {

/// What a message of a meeting is. The first ones are the meetings.
enum class Kind : std::uint64_t { agree, smallest, united, broadcast, gather, waiting, verdict };

const char* name_of(Kind kind);

struct Header {
  Kind kind = Kind::agree;
  std::uint64_t number = 0;  // of the meeting
  std::uint64_t value = 0;
  std::uint64_t length = 0;  // of the text that follows
};

/// A header and a text on their way to a peer, or from one. MPI may still write or read the memory
/// of one that is dropped before it is complete; that memory is never freed.
class Letter {
public:
  /// To `peer`. The text follows in pieces.
  Letter(MPI_Comm comm, int peer, int tag, Header header, std::string text);
  /// From `peer`.
  Letter(MPI_Comm comm, int peer, int tag);
  Letter(const Letter&) = delete;
  Letter& operator=(const Letter&) = delete;
  ~Letter();

  /// Moves it on without blocking; true once it is complete.
  bool advance();
  std::size_t moved() const noexcept { return done_; }
  int peer() const noexcept { return peer_; }
  const Header& header() const noexcept { return content_->header; }
  const std::string& text() const noexcept { return content_->text; }

private:
  struct Content {
    Header header;
    std::string text;
  };
  void start_pieces();

  MPI_Comm comm_;
  int peer_;
  int tag_;
  bool is_send_;
  std::unique_ptr<Content> content_;
  std::vector<MPI_Request> requests_;
  std::size_t done_ = 0;
};

/// The meetings of all ranks: each tells rank 0, which answers each, so that it knows who has not
/// come. Nothing here blocks in MPI. One thread at a time.
class Control {
public:
  /// Takes over `comm`.
  explicit Control(MPI_Comm comm);
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  ~Control();

  struct Told {
    std::uint64_t value = 0;         // what rank 0 made of all values
    std::string text;                // rank 0's, of a broadcast
    std::vector<std::string> texts;  // of all ranks, of a gathering, on rank 0
  };

  /// Collective. Error(hang) on rank 0 once no rank has come for `timeout_s`, naming those that are
  /// missing, and PeerFailed(hang) on the others; where rank 0 itself does not answer,
  /// Error(hang) on the others, some seconds later. Error(ranks_disagree) and PeerFailed likewise
  /// where a rank is at another meeting.
  Told meet(Kind kind, std::uint64_t value, const std::string& text, double timeout_s);

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  /// Names of the ranks' machines, for messages.
  void set_hosts(std::vector<std::string> hosts) { hosts_ = std::move(hosts); }
  const std::vector<std::string>& hosts() const noexcept { return hosts_; }

private:
  using Letters = std::vector<std::unique_ptr<Letter>>;
  Told lead(const Header& own, const std::string& text, double timeout_s);
  Told follow(const Header& own, const std::string& text, double timeout_s);
  void hear_all(Letters& letters, const Header& own, double timeout_s);
  void send(int peer, const Header& header, const std::string& text);
  void finish_sends(const Header& own, double timeout_s);
  [[noreturn]] void end_meeting(const Header& own, const Letters& letters, int code,
                                const std::string& why);
  std::vector<int> missing(const Letters& letters) const;

  MPI_Comm comm_;
  int rank_ = 0;
  int size_ = 1;
  std::uint64_t number_ = 0;
  std::vector<std::string> hosts_;
  Letters sends_;
};

}  // namespace fg::session
