#include <gtest/gtest.h>

#include <fg/checkpoint/read_all.hpp>
#include <fg/comm/bytes.hpp>
#include <fg/test/expect_error.hpp>

#include "nodes.hpp"

namespace fg::checkpoint {
namespace {

using store::TensorUse;
using test::expect_error;

/// Sends and receives are counted.
class Wire {
public:
  Wire() {
    comm::Options options;
    options.timeout_s = 20;
    group_ = comm::Communicator::connect(SharedRun::session(), options);
  }
  Exchange exchange() {
    return {[this](std::span<const std::byte> bytes, int to) {
              ++sent;
              EXPECT_LE(bytes.size(), exchange_piece);
              comm::send_bytes(*group_, bytes, to);
            },
            [this](std::span<std::byte> bytes, int from) {
              ++received;
              comm::recv_bytes(*group_, bytes, from);
            }};
  }
  int sent = 0;
  int received = 0;

private:
  std::unique_ptr<comm::Communicator> group_;
};

/// Rows that a rank asks for, and where they are to come.
struct Request {
  const Sample& sample;
  TensorUse use;
  std::uint64_t first;
  std::uint64_t rows;
  std::vector<std::byte> bytes;

  Request(const Sample& tensor, TensorUse what, std::uint64_t begin, std::uint64_t count)
      : sample(tensor),
        use(what),
        first(begin),
        rows(count),
        bytes(count * tensor.row_bytes(), std::byte{0x5a}) {}
  Wanted wanted() { return {use, sample.info.name, first, rows, bytes}; }
};

/// What this rank wants of a state: its share by rows, as if the ranks were counted from `shift`,
/// and of every second tensor all.
std::vector<Request> requests_for(const State& state, std::uint64_t shift) {
  const std::uint64_t ranks = SharedRun::ranks();
  const std::uint64_t rank = (SharedRun::rank() + shift) % ranks;
  std::vector<Request> requests;
  for (const TensorUse use : {TensorUse::weights, TensorUse::optimizer}) {
    const auto& tensors = use == TensorUse::weights ? state.weights : state.optimizer;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const std::uint64_t rows = tensors[i].rows();
      const std::uint64_t first = rows * rank / ranks;
      requests.emplace_back(tensors[i], use, first, rows * (rank + 1) / ranks - first);
      if (i % 2 == 0) requests.emplace_back(tensors[i], use, 0, rows);
    }
  }
  return requests;
}

void expect_filled(Wire& wire, Reader& reader, std::vector<Request>& requests) {
  std::vector<Wanted> wanted;
  for (Request& request : requests) wanted.push_back(request.wanted());
  read_all(SharedRun::session(), wire.exchange(), reader, wanted);
  for (const Request& request : requests) {
    const Slice right = request.sample.slice(request.first, request.rows);
    EXPECT_TRUE(std::ranges::equal(request.bytes, right.bytes))
        << request.sample.info.name << " " << request.first << " + " << request.rows;
  }
  SharedRun::meet();
}

TEST(ReadAll, SendsNothingWhereEveryRankSeesTheFiles) {
  const SharedRun run;
  const State state(9);
  Wire wire;
  Reader reader(save(run.session(), run.request(9, state)));
  auto requests = requests_for(state, 1);
  expect_filled(wire, reader, requests);
  EXPECT_EQ(wire.sent + wire.received, 0);
}

/// The same checkpoint, written by two nodes, in every distribution of the ranks over nodes that
/// have a's piece, b's, both, or none.
TEST(ReadAll, GetsRowsFromTheNodesThatHaveThem) {
  NodeRun run;
  const std::uint64_t ranks = run.ranks();
  run.stay_on(half_of(run.rank(), ranks));
  const State state(12);
  run.save_step(12);
  run.meet();
  const std::string names[] = {"a", "b", "new"};
  std::uint64_t layouts = 1;
  for (std::uint64_t rank = 0; rank < ranks; ++rank) layouts *= 3;
  Wire wire;
  int tried = 0;
  for (std::uint64_t layout = 0; layout < layouts; ++layout) {
    std::uint64_t digits = layout;
    bool has_a = false;
    bool has_b = ranks == 1;
    for (std::uint64_t rank = 0; rank < ranks; ++rank, digits /= 3) {
      has_a = has_a || digits % 3 == 0;
      has_b = has_b || digits % 3 == 1;
      if (rank == run.rank()) run.stay_on(names[digits % 3]);
    }
    if (!has_a || !has_b) continue;
    const auto choice = run.choose();
    ASSERT_TRUE(choice.has_value());
    Reader reader = open(run.session(), *choice);
    auto requests = requests_for(state, layout);
    expect_filled(wire, reader, requests);
    ++tried;
  }
  EXPECT_EQ(tried, ranks == 1 ? 1 : ranks == 2 ? 2 : ranks == 3 ? 12 : 50);
}

/// Rows that all ranks but one want leave their owner once.
TEST(ReadAll, PassesOnWhatSeveralWant) {
  NodeRun run;
  const std::uint64_t ranks = run.ranks();
  run.stay_on("a");
  const State state(3);
  run.save_step(3);
  run.stay_on(run.rank() == 0 ? "a" : "b");
  Wire wire;
  Reader reader = open(run.session(), *run.choose());
  std::vector<Request> requests;
  requests.emplace_back(state.optimizer[1], TensorUse::optimizer, 0, 1);
  requests.emplace_back(state.optimizer[1], TensorUse::optimizer, 0, 1);  // twice, asked for once
  expect_filled(wire, reader, requests);
  EXPECT_EQ(wire.sent, run.rank() + 1 < ranks ? 1 : 0);
  EXPECT_EQ(wire.received, run.rank() > 0 ? 1 : 0);
}

TEST(ReadAll, CutsLongTensorsIntoPieces) {
  NodeRun run;
  run.stay_on(run.rank() == 0 ? "a" : "b");
  const Sample large("large", store::Dtype::uint8, {exchange_piece / 1000 + 2000, 1000}, 5);
  SaveRequest request = run.request(1);
  request.weights.clear();
  if (run.rank() == 0) request.weights.push_back(whole(large.info, large.bytes));
  save(run.session(), request);
  Wire wire;
  Reader reader = open(run.session(), *run.choose());
  std::vector<Request> requests;
  requests.emplace_back(large, TensorUse::weights, 1, large.rows() - 1);
  expect_filled(wire, reader, requests);
  EXPECT_EQ(wire.received, run.rank() == 0 ? 0 : 2);
}

TEST(ReadAll, RefusesWhatIsNotInTheCheckpoint) {
  NodeRun run;
  run.stay_on(half_of(run.rank(), run.ranks()));
  const State state(2);
  run.save_step(2);
  Wire wire;
  Reader reader = open(run.session(), *run.choose());
  std::vector<std::byte> bytes(8);
  const auto refused = [&](const Wanted& wanted, const std::string& part) {
    expect_error(ExitCode::cannot_load, part,
                 [&] { read_all(run.session(), wire.exchange(), reader, std::span(&wanted, 1)); });
    run.session().forget_failure();
  };
  refused({TensorUse::weights, "nothing of the kind", 0, 1, bytes}, "'nothing of the kind' is not");
  refused({TensorUse::weights, "lm_head.weight", 11, 1, bytes}, "has 11 rows, wanted are 11 to 12");
  run.meet();
}

TEST(ReadAll, NamesAFileThatNobodySees) {
  NodeRun run;
  if (run.ranks() == 1) GTEST_SKIP() << "[ranks] one rank is on one node";
  run.stay_on(half_of(run.rank(), run.ranks()));
  const State state(2);
  run.save_step(2);
  Wire wire;
  Reader reader(run.piece(2, "b"));
  auto requests = requests_for(state, 0);
  std::vector<Wanted> wanted;
  for (Request& request : requests) wanted.push_back(request.wanted());
  expect_error(
      ExitCode::cannot_load,
      run.session().is_first() ? "model-r00000.h5 is on none of the nodes" : "another rank failed",
      [&] { read_all(run.session(), wire.exchange(), reader, wanted); });
  run.session().forget_failure();
  EXPECT_EQ(wire.sent + wire.received, 0);
  run.meet();
}

}  // namespace
}  // namespace fg::checkpoint
