#include <algorithm>
#include <compare>
#include <map>
#include <set>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/checkpoint/read_all.hpp>

#include "save_plan.hpp"

namespace fg::checkpoint {
namespace {

using store::TensorUse;

/// Bytes of a tensor that lie in one file. The order is that of reading: file by file.
struct Stretch {
  std::uint64_t file = 0;  // its place in `files_of`
  TensorUse use = TensorUse::weights;
  std::uint64_t tensor = 0;  // its place in the slice table
  std::uint64_t offset = 0;  // in the whole tensor
  std::uint64_t bytes = 0;

  friend auto operator<=>(const Stretch&, const Stretch&) = default;
};

Json to_json(const Stretch& stretch) {
  return {stretch.file, static_cast<int>(stretch.use), stretch.tensor, stretch.offset,
          stretch.bytes};
}

Stretch stretch_of(const Json& told) {
  return {told[0].get<std::uint64_t>(), static_cast<TensorUse>(told[1].get<int>()),
          told[2].get<std::uint64_t>(), told[3].get<std::uint64_t>(), told[4].get<std::uint64_t>()};
}

/// All files of the slice table, in the same order on every rank.
std::vector<std::string> files_of(const store::SliceTable& table) {
  std::set<std::string> files;
  for (const TensorUse use : {TensorUse::weights, TensorUse::optimizer})
    for (const store::SlicedTensor& tensor : table.of(use))
      for (const store::Slice& slice : tensor.slices) files.insert(slice.file);
  return {files.begin(), files.end()};
}

using Outs = std::map<Stretch, std::vector<std::span<std::byte>>>;

/// What this rank wants, cut where the files end.
class Wants {
public:
  Wants(Reader& reader, const std::vector<std::string>& files) : reader_(reader), files_(files) {}

  void add(const Wanted& wanted) {
    store::SliceReader& slices = reader_.slices();
    const auto index = slices.find(wanted.use, wanted.name);
    const std::string begin = reader_.name() + ": " + std::string(store::name_of(wanted.use)) +
                              ": '" + wanted.name + "' ";
    if (!index) fail(ExitCode::cannot_load, begin + "is not in this checkpoint");
    const store::SlicedTensor& tensor = slices.table().of(wanted.use)[*index];
    const std::uint64_t total = store::row_count(tensor.info.shape);
    if (wanted.rows > total || wanted.first_row > total - wanted.rows)
      fail(ExitCode::cannot_load, begin + "has " + std::to_string(total) + " rows, wanted are " +
                                      std::to_string(wanted.first_row) + " to " +
                                      std::to_string(wanted.first_row + wanted.rows));
    const std::uint64_t row_bytes = total == 0 ? 0 : store::byte_count(tensor.info) / total;
    FG_CHECK(wanted.out.size() == wanted.rows * row_bytes);
    for (const store::Slice& slice : tensor.slices) {
      const std::uint64_t first = std::max(slice.first_row, wanted.first_row);
      const std::uint64_t end =
          std::min(slice.first_row + slice.rows, wanted.first_row + wanted.rows);
      if (first >= end || row_bytes == 0) continue;
      const Stretch stretch{place_of(slice.file), wanted.use, *index, first * row_bytes,
                            (end - first) * row_bytes};
      outs_[stretch].push_back(
          wanted.out.subspan((first - wanted.first_row) * row_bytes, stretch.bytes));
    }
  }

  /// Reads what this node's files hold and leaves the rest.
  void read_own() {
    for (auto next = outs_.begin(); next != outs_.end();) {
      const auto& [stretch, outs] = *next;
      if (!reader_.slices().has_file(files_[stretch.file])) {
        ++next;
        continue;
      }
      for (const std::span<std::byte> out : outs)
        reader_.slices().read(stretch.use, stretch.tensor, stretch.offset, out);
      next = outs_.erase(next);
    }
  }

  const Outs& outs() const noexcept { return outs_; }

private:
  std::uint64_t place_of(const std::string& file) const {
    return static_cast<std::uint64_t>(std::ranges::lower_bound(files_, file) - files_.begin());
  }

  Reader& reader_;
  const std::vector<std::string>& files_;
  Outs outs_;
};

/// What all ranks know before the first byte is sent.
struct Plan {
  std::vector<int> owners;  // of each file the lowest rank that sees it, or -1
  std::map<Stretch, std::vector<int>> receivers;  // in rank order
};

/// Collective.
Plan make_plan(session::Session& session, Reader& reader, const std::vector<std::string>& files,
               const Outs& outs) {
  Json mine = {{"files", Json::array()}, {"wants", Json::array()}};
  for (std::size_t place = 0; place < files.size(); ++place)
    if (reader.slices().has_file(files[place])) mine["files"].push_back(place);
  for (const auto& [stretch, spans] : outs) mine["wants"].push_back(to_json(stretch));
  const Json ranks = tell_all(session, mine);
  Plan plan;
  plan.owners.assign(files.size(), -1);
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    for (const Json& place : ranks[rank].at("files"))
      if (int& owner = plan.owners[place.get<std::size_t>()]; owner < 0)
        owner = static_cast<int>(rank);
    for (const Json& want : ranks[rank].at("wants"))
      plan.receivers[stretch_of(want)].push_back(static_cast<int>(rank));
  }
  return plan;
}

/// Each stretch piece by piece from its owner to the first receiver, from that one to the next, and
/// so on. Every rank goes through all in one order and each transfer has two sides, so the first
/// that is not done can always be done: nobody waits in a circle.
void carry_out(const Plan& plan, const Exchange& exchange, int rank, Reader& reader,
               const Outs& outs) {
  static const bool wrong_offset = fault_planted("checkpoint.sent_rows_from_file_begin");
  std::vector<std::byte> buffer;
  for (const auto& [stretch, receivers] : plan.receivers) {
    const int owner = plan.owners[stretch.file];
    const auto own = outs.find(stretch);
    if (rank != owner && own == outs.end()) continue;
    for (std::uint64_t at = 0; at < stretch.bytes; at += exchange_piece) {
      const std::size_t size = std::min<std::uint64_t>(stretch.bytes - at, exchange_piece);
      std::span<std::byte> bytes;
      if (rank == owner) {
        buffer.resize(size);
        bytes = buffer;
        reader.slices().read(stretch.use, stretch.tensor, (wrong_offset ? 0 : stretch.offset) + at,
                             bytes);
      } else {
        bytes = own->second.front().subspan(at, size);
      }
      int from = owner;
      for (const int to : receivers) {
        if (rank == from) exchange.send(bytes, to);
        if (rank == to) exchange.recv(bytes, from);
        from = to;
      }
    }
  }
  for (const auto& [stretch, spans] : outs)
    for (const std::span<std::byte> more : std::span(spans).subspan(1))
      std::ranges::copy(spans.front(), more.begin());
}

}  // namespace

void read_all(session::Session& session, const Exchange& exchange, Reader& reader,
              std::span<const Wanted> wanted) {
  const std::vector<std::string> files = files_of(reader.slices().table());
  Wants wants(reader, files);
  session.together([&] {
    for (const Wanted& each : wanted) wants.add(each);
    wants.read_own();
  });
  if (session.smallest(wants.outs().empty() ? 1 : 0) == 1) return;
  const Plan plan = make_plan(session, reader, files, wants.outs());
  session.together([&] {
    for (const auto& [stretch, receivers] : plan.receivers)
      if (plan.owners[stretch.file] < 0 && session.is_first())
        fail(ExitCode::cannot_load, reader.name() + ": " + files[stretch.file] +
                                        " is on none of the nodes: the checkpoint was saved on "
                                        "each node, and the pieces of the other nodes are needed "
                                        "too");
  });
  carry_out(plan, exchange, session.rank(), reader, wants.outs());
}

}  // namespace fg::checkpoint
