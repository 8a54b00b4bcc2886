// comm's transport over NCCL, one GPU a rank: what each operation does.
#include <thread>

#include <ATen/ops/allclose.h>

#include <fg/base/json.hpp>
#include <fg/comm/nccl.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "nccl_world.hpp"

namespace fg::comm {
namespace {

constexpr at::ScalarType all_types[] = {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble,
                                        at::kLong,  at::kInt,      at::kByte, at::kBool};

TEST_F(NcclOnGpu, BroadcastsEveryTypeFromEveryRank) {
  for (const at::ScalarType type : all_types)
    for (const std::vector<std::int64_t>& shape :
         {std::vector<std::int64_t>{}, {0}, {1}, {13}, {1001, 3}})
      for (int root = 0; root < all->size(); ++root) {
        const at::Tensor wanted = counting(type, shape, root);
        const at::Tensor values =
            all->rank() == root ? wanted.to(own_gpu()) : at::zeros(shape, on_gpu(type));
        all->broadcast(values, root);
        EXPECT_TRUE(same(values.cpu(), wanted)) << type << at::IntArrayRef(shape) << root;
      }
}

TEST_F(NcclOnGpu, GathersShapesThatDiffer) {
  for (const at::ScalarType type : all_types) {
    std::vector<at::Tensor> rows;
    for (int r = 0; r < all->size(); ++r) rows.push_back(at::zeros({5 * r + 1, 3}, on_gpu(type)));
    all->all_gather(counting_on_gpu(type, {5 * all->rank() + 1, 3}, all->rank()), rows);
    for (int r = 0; r < all->size(); ++r)
      EXPECT_TRUE(same(rows[static_cast<std::size_t>(r)].cpu(), counting(type, {5 * r + 1, 3}, r)))
          << type << " of " << r;
  }
}

TEST_F(NcclOnGpu, GathersInPlaceAndFromRanksThatHaveNothing) {
  const at::Tensor whole = at::zeros({7, 2}, on_gpu(at::kFloat));
  std::vector<at::Tensor> parts;
  for (int r = 0; r < all->size(); ++r)
    parts.push_back(whole.narrow(0, 0, r + 1 == all->size() ? 7 : 0));
  const at::Tensor& own = parts[static_cast<std::size_t>(all->rank())];
  own.fill_(3);
  all->all_gather(own, parts);
  EXPECT_TRUE(same(whole.cpu(), at::full({7, 2}, 3, at::kFloat)));
}

/// With two ranks the order of addition makes no difference, so the bits are those of the CPU.
TEST_F(NcclOnGpu, AddsUpAsTheCpuDoes) {
  Options options;
  options.timeout_s = 30;
  const auto cpu = Communicator::connect(test::mpi_session(), options);
  for (const auto& [mine, sum] :
       {std::pair(at::kFloat, at::kFloat), std::pair(at::kBFloat16, at::kBFloat16),
        std::pair(at::kBFloat16, at::kFloat), std::pair(at::kDouble, at::kDouble),
        std::pair(at::kLong, at::kLong), std::pair(at::kInt, at::kInt)})
    for (const std::int64_t count : {0, 1, 3, 997, 1'000'003}) {
      const at::Tensor values =
          counting(at::kDouble, {count}, 1 + 5 * all->rank()).div_(3).to(mine);
      const at::Tensor wanted = at::zeros({count}, sum);
      cpu->all_reduce_sum(values, wanted);
      const at::Tensor brought = values.to(own_gpu());
      const at::Tensor got = at::zeros({count}, on_gpu(sum));
      all->all_reduce_sum(brought, got);
      EXPECT_TRUE(same(got.cpu(), wanted)) << mine << " in " << sum << ", " << count;
      EXPECT_TRUE(same(brought.cpu(), values));
      if (mine != sum) continue;
      all->all_reduce_sum(brought);
      EXPECT_TRUE(same(brought.cpu(), wanted)) << mine << " in place, " << count;
    }
}

TEST_F(NcclOnGpu, BeginsSumsInTheirOrder) {
  std::vector<at::Tensor> values;
  std::vector<Pending> sums;
  for (int turn = 0; turn < 20; ++turn) {
    values.push_back(at::full({100'000 + turn}, all->rank() + 3.0 * turn, on_gpu(at::kFloat)));
    sums.push_back(all->begin_all_reduce_sum(values.back()));
  }
  const double ranks = all->size();
  for (int turn = 20; turn-- > 0;) {
    sums[static_cast<std::size_t>(turn)].wait();
    const double wanted = 3 * ranks * turn + ranks * (ranks - 1) / 2;
    EXPECT_TRUE(same(values[static_cast<std::size_t>(turn)].cpu(),
                     at::full({100'000 + turn}, wanted, at::kFloat)))
        << turn;
  }
}

TEST_F(NcclOnGpu, CarriesMessagesOfEveryType) {
  for (const at::ScalarType type : all_types)
    for (const std::vector<std::int64_t>& shape :
         {std::vector<std::int64_t>{}, {0}, {1}, {5, 5}, {2, 0, 3}, {1001}}) {
      const at::Tensor got = at::zeros(shape, on_gpu(type));
      Pending sent = out().isend(counting_on_gpu(type, shape, all->rank()), peer());
      in().recv(got, peer());
      sent.wait();
      EXPECT_TRUE(same(got.cpu(), counting(type, shape, peer()))) << type << shape.size();
    }
}

TEST_F(NcclOnGpu, CarriesManyMessagesBothWaysAtOnce) {
  constexpr int count = 100;
  const auto size = [](int i) { return i % 4 == 0 ? 1'000'000 + i : 10 + i; };
  std::vector<Pending> pending;
  std::vector<at::Tensor> got;
  for (int i = 0; i < count; ++i) {
    pending.push_back(
        out().isend(at::full({size(i)}, all->rank() * 1000.0 + i, on_gpu(at::kFloat)), peer()));
    got.push_back(at::zeros({size(i)}, on_gpu(at::kFloat)));
    pending.push_back(in().irecv(got.back(), peer()));
  }
  for (Pending& each : pending) each.wait();
  for (int i = 0; i < count; ++i)
    EXPECT_TRUE(same(got[static_cast<std::size_t>(i)].cpu(),
                     at::full({size(i)}, peer() * 1000.0 + i, at::kFloat)))
        << i;
}

TEST_F(NcclOnGpu, MakesGroupsOfOneAndInAnyOrder) {
  const auto alone = all->group({all->rank()});
  const at::Tensor values = counting_on_gpu(at::kBFloat16, {33}, 1);
  alone->all_reduce_sum(values);
  alone->broadcast(values, 0);
  alone->begin_all_reduce_sum(values).wait();
  const at::Tensor got = at::zeros({33}, on_gpu(at::kBFloat16));
  alone->isend(values, 0, 5).wait();
  alone->recv(got, 0, 5);
  EXPECT_TRUE(same(got.cpu(), counting(at::kBFloat16, {33}, 1)));

  const std::vector<int> backwards(all->world_ranks().rbegin(), all->world_ranks().rend());
  const auto turned = all->group(backwards);
  EXPECT_EQ(turned->rank(), peer());
  const at::Tensor from = at::full({4}, 1.0 * all->rank(), on_gpu(at::kFloat));
  turned->broadcast(from, 0);
  EXPECT_EQ(from.cpu()[0].item<float>(), static_cast<float>(all->size() - 1));
}

TEST_F(NcclOnGpu, RefusesTensorsOfAnotherDevice) {
  test::expect_error(ExitCode::bug, {"broadcast", "is not on cuda:"},
                     [&] { all->broadcast(at::zeros({2}, at::kFloat), 0); });
  test::expect_error(ExitCode::bug, "no sums of float16",
                     [&] { all->all_reduce_sum(at::zeros({2}, on_gpu(at::kHalf))); });
}

TEST_F(NcclOnGpu, NotesInTheHistoryWhenOperationsEnd) {
  if (is_alone()) GTEST_SKIP() << "[ranks] one rank";
  const test::TemporaryFolder folder;
  const at::Tensor values = at::zeros({6}, on_gpu(at::kBFloat16));
  spin(300);
  all->all_reduce_sum(values);
  all->write_history(folder / "early.json");
  finish();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  all->write_history(folder / "late.json");
  const Json early = read_json(folder / "early.json")["operations"].back();
  const Json late = read_json(folder / "late.json")["operations"].back();
  EXPECT_EQ(late["operation"], "all_reduce_sum");
  EXPECT_EQ(late["tensor"], "bfloat16 [6]");
  EXPECT_EQ(late["number"], early["number"]);
  EXPECT_TRUE(early["ended"].is_null());
  ASSERT_TRUE(late["ended"].is_number());
  EXPECT_GT(late["ended"].get<double>(), late["begun"].get<double>() + 0.1);
}

TEST_F(NcclOnGpu, TellsItsVersion) {
  std::printf("NCCL %s\n", nccl_version().c_str());
  EXPECT_TRUE(nccl_version().starts_with("2."));
}

}  // namespace
}  // namespace fg::comm
