#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <fg/base/json.hpp>
#include <fg/session/watchdog.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "mpi/message.hpp"
#include "world.hpp"

namespace fg::comm {
namespace {

constexpr at::ScalarType all_types[] = {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble,
                                        at::kLong,  at::kInt,      at::kByte, at::kBool};

int after(const Communicator& all) {
  return (all.rank() + 1) % all.size();
}
int before(const Communicator& all) {
  return (all.rank() + all.size() - 1) % all.size();
}

TEST(Messages, CarryEveryTypeRoundTheRing) {
  const auto all = world();
  for (const at::ScalarType type : all_types)
    for (const std::vector<std::int64_t>& shape :
         {std::vector<std::int64_t>{}, {0}, {1}, {5, 5}, {2, 0, 3}, {1001}}) {
      const at::Tensor mine = counting(type, shape, all->rank());
      const at::Tensor theirs = at::zeros(shape, type);
      Pending sent = all->isend(mine, after(*all), 3);
      all->recv(theirs, before(*all), 3);
      sent.wait();
      EXPECT_TRUE(same(theirs, counting(type, shape, before(*all))))
          << type << " " << at::IntArrayRef(shape);
    }
}

TEST(Messages, GoOneAfterTheOtherWithBlockingCalls) {
  const auto all = world();
  if (all->size() == 1) GTEST_SKIP() << "[ranks] one rank";
  const at::Tensor values = at::zeros({40}, at::kFloat);
  if (all->rank() == 0) {
    all->send(values.add(1), 1);
    all->recv(values, all->size() - 1);
  } else {
    all->recv(values, all->rank() - 1);
    all->send(values.add(1), after(*all));
  }
  EXPECT_EQ(values[39].item<float>(),
            static_cast<float>(all->rank() == 0 ? all->size() : all->rank()));
}

/// Large ones too: MPI hands those over only when the receiver has come.
TEST(Messages, PassInBothDirectionsWithoutDeadlock) {
  Options options;
  options.timeout_s = 20;
  const auto all = world(options);
  constexpr int count = 40;
  std::vector<Pending> pending;
  std::vector<at::Tensor> received;
  const auto size = [](int i) { return i % 4 == 0 ? 200'000 + i : 10 + i; };
  for (int i = 0; i < count; ++i)
    for (const int peer : {after(*all), before(*all)})
      pending.push_back(
          all->isend(at::full({size(i)}, all->rank() * 1000.0 + i, at::kFloat), peer, i % 3));
  for (int i = 0; i < count; ++i)
    for (const int peer : {before(*all), after(*all)}) {
      received.push_back(at::zeros({size(i)}, at::kFloat));
      pending.push_back(all->irecv(received.back(), peer, i % 3));
    }
  std::reverse(pending.begin(), pending.end());  // in whatever order they are waited for
  for (Pending& each : pending) each.wait();
  for (int i = 0; i < count; ++i)
    for (const int side : {0, 1}) {
      const int peer = side == 0 ? before(*all) : after(*all);
      const at::Tensor& values = received[static_cast<std::size_t>(2 * i + side)];
      EXPECT_TRUE(same(values, at::full({size(i)}, peer * 1000.0 + i, at::kFloat)));
    }
}

TEST(Messages, AreToldApartByTag) {
  const auto all = world();
  const at::Tensor one = at::full({20}, 1.0, at::kFloat);
  const at::Tensor two = at::full({20}, 2.0, at::kFloat);
  Pending first = all->isend(one, after(*all), 32765);
  Pending second = all->isend(two, after(*all), 0);
  const at::Tensor got = at::zeros({20}, at::kFloat);
  all->recv(got, before(*all), 0);
  EXPECT_TRUE(same(got, two));
  all->recv(got, before(*all), 32765);
  EXPECT_TRUE(same(got, one));
  first.wait();
  second.wait();
}

TEST(Messages, MayBeUnderWayDuringCollectives) {
  const auto all = world();
  const at::Tensor got = at::zeros({500}, at::kBFloat16);
  Pending receive = all->irecv(got, before(*all), 1);
  const at::Tensor sum = at::full({77}, 1.0, at::kFloat);
  all->all_reduce_sum(sum);
  Pending send = all->isend(at::full({500}, 3.0, at::kBFloat16), after(*all), 1);
  all->barrier();
  while (!receive.is_done()) {
  }
  send.wait();
  send.wait();  // of no effect
  EXPECT_TRUE(send.is_done());
  EXPECT_EQ(sum[76].item<float>(), static_cast<float>(all->size()));
  EXPECT_TRUE(same(got, at::full({500}, 3.0, at::kBFloat16)));
}

TEST(Messages, ReachTheirOwnSender) {
  const auto all = world();
  const at::Tensor got = at::zeros({30}, at::kInt);
  Pending receive = all->irecv(got, all->rank(), 9);
  Pending send = all->isend(counting(at::kInt, {30}, 2), all->rank(), 9);
  receive.wait();
  send.wait();
  EXPECT_TRUE(same(got, counting(at::kInt, {30}, 2)));
}

/// One communicator each.
TEST(Messages, TravelFromSeveralThreadsAtOnce) {
  const auto all = world();
  const auto other = all->group(all->world_ranks());
  const auto work = [](Communicator& own, double first, bool& is_right) {
    is_right = true;
    for (int turn = 0; turn < 50; ++turn) {
      const at::Tensor got = at::zeros({60}, at::kDouble);
      Pending send = own.isend(counting(at::kDouble, {60}, first + turn), after(own));
      own.recv(got, before(own));
      send.wait();
      is_right = is_right && same(got, counting(at::kDouble, {60}, first + turn));
      own.all_reduce_sum(got);
      is_right = is_right && got[1].item<double>() == own.size() * (first + turn + 1);
    }
  };
  bool first_is_right = false;
  bool second_is_right = false;
  std::thread thread([&] { work(*all, 1000, first_is_right); });
  work(*other, 2000, second_is_right);
  thread.join();
  EXPECT_TRUE(first_is_right);
  EXPECT_TRUE(second_is_right);
}

/// MPI refuses a count below 0, which is what a piece of 3 GiB has.
TEST(Messages, TakeBackWhatTheyHadBegunWhereTheyFail) {
  MPI_Comm own = MPI_COMM_NULL;
  ASSERT_EQ(MPI_Comm_dup(MPI_COMM_SELF, &own), MPI_SUCCESS);
  ASSERT_EQ(MPI_Comm_set_errhandler(own, MPI_ERRORS_RETURN), MPI_SUCCESS);
  const Peer self{own, 0, 0, 3};
  at::Tensor sent = counting(at::kLong, {4}, 7);
  at::Tensor got = at::zeros({4}, at::kLong);
  const Header header = header_of(Kind::message, sent);
  const auto message = [&](bool is_send, const at::Tensor& values, std::size_t bytes) {
    return std::make_unique<Message>(is_send, self, header,
                                     std::span(static_cast<std::byte*>(values.data_ptr()), bytes),
                                     values, static_cast<std::int64_t>(bytes));
  };

  test::expect_error(ExitCode::rank_lost, "MPI_Irecv",
                     [&] { message(false, got, std::size_t{3} << 30); });
  const auto recv = message(false, got, got.nbytes());
  const auto send = message(true, sent, sent.nbytes());
  const auto begin = std::chrono::steady_clock::now();
  while (!(send->advance() && recv->advance()) &&
         std::chrono::steady_clock::now() - begin < std::chrono::seconds(5)) {
  }

  EXPECT_TRUE(recv->advance());
  EXPECT_TRUE(same(got, sent));
  MPI_Comm_free(&own);
}

TEST(Messages, StandInTheHistory) {
  const auto all = world();
  const test::TemporaryFolder folder;
  const at::Tensor got = at::zeros({6}, at::kBFloat16);
  Pending send = all->isend(at::zeros({6}, at::kBFloat16), after(*all), 4);
  all->recv(got, before(*all), 4);
  all->write_history(folder / "hang.json");
  send.wait();
  const Json report = read_json(folder / "hang.json");
  EXPECT_EQ(report["rank"], all->rank());
  const Json& operations = report["operations"];
  ASSERT_EQ(operations.size(), 2u);
  EXPECT_EQ(operations[0]["operation"], "send");
  EXPECT_EQ(operations[0]["peers"], Json({after(*all)}));
  EXPECT_TRUE(operations[0]["ended"].is_null());
  EXPECT_EQ(operations[1]["operation"], "recv");
  EXPECT_EQ(operations[1]["tensor"], "bfloat16 [6]");
  EXPECT_EQ(operations[1]["bytes"], 12);
  EXPECT_EQ(operations[1]["tag"], 4);
  EXPECT_TRUE(operations[1]["ended"].is_number());
}

TEST(Messages, TellTheWatchdogForWhomARankWaits) {
  const auto all = world();
  const session::Watchdog watchdog(test::mpi_session(), {.timeout_s = 60, .on_hang = {}});
  const int last = all->size() - 1;
  const at::Tensor values = at::zeros({6}, at::kFloat);
  if (all->rank() == last && last > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2500));  // two tables
    EXPECT_TRUE(session::culprit({0}).starts_with("rank " + std::to_string(last) + " "))
        << session::culprit({0});
    all->send(values, 0);
  } else if (all->rank() == 0 && last > 0) {
    all->recv(values, last);
  }
  all->barrier();
}

}  // namespace
}  // namespace fg::comm
