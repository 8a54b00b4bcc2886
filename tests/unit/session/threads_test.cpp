#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/session/threads.hpp>

namespace fg::session {
namespace {

Cores range(int first, int end) {
  Cores cores;
  for (int core = first; core < end; ++core) cores.push_back(core);
  return cores;
}

TEST(Cores, AreReadAndWrittenAsTheKernelDoes) {
  EXPECT_EQ(parse_cores("0-3,8,10-11"), (Cores{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(parse_cores("8,0-1,1"), (Cores{0, 1, 8}));
  EXPECT_EQ(parse_cores(""), Cores());
  EXPECT_EQ(parse_cores("x,-1,2-x,5"), (Cores{5}));
  EXPECT_EQ(parse_cores("3-999999999").size(), 8189u);
  EXPECT_EQ(describe_cores({0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
  EXPECT_EQ(describe_cores({}), "");
}

TEST(Threads, UndoTheBindingOfTheLauncher) {
  const std::vector<CoreShare> node = {{{0}, range(0, 16)}, {{1}, range(0, 16)}};

  const Threads threads = plan_threads(node, 1, {});

  EXPECT_EQ(threads.count, 8);
  EXPECT_EQ(threads.cores, range(0, 16));
  EXPECT_EQ(threads.note,
            "8 threads a rank: 16 cores (0-15) for 2 ranks of this machine; the launcher had bound "
            "this rank to 1 core, which was undone");
}

TEST(Threads, LeaveAMaskThatIsARanksShare) {
  const std::vector<CoreShare> sockets = {{range(0, 8), range(0, 16)},
                                          {range(8, 16), range(0, 16)}};
  const Threads bound = plan_threads(sockets, 1, {});
  EXPECT_EQ(bound.count, 8);
  EXPECT_EQ(bound.cores, range(8, 16));
  EXPECT_EQ(bound.note, "8 threads a rank: 8 cores (8-15)");

  const std::vector<CoreShare> open = {{range(0, 16), range(0, 16)}, {range(0, 16), range(0, 16)}};
  EXPECT_EQ(plan_threads(open, 0, {}).count, 8);
}

TEST(Threads, LeaveWhatSlurmGaveEachRank) {
  const std::vector<CoreShare> node = {{range(0, 4), {}}, {range(4, 16), {}}};

  EXPECT_EQ(plan_threads(node, 0, {}).count, 4);
  EXPECT_EQ(plan_threads(node, 0, {}).cores, range(0, 4));
  EXPECT_EQ(plan_threads(node, 1, {}).count, 12);
}

TEST(Threads, AreNeverFewerThanOne) {
  const std::vector<CoreShare> node(4, {range(0, 2), range(0, 2)});

  EXPECT_EQ(plan_threads(node, 3, {}).count, 1);
  EXPECT_EQ(plan_threads({{{}, {}}}, 0, {}).count, 1);
}

TEST(Threads, HoldTheLimitsOfUserSlurmAndCgroup) {
  const std::vector<CoreShare> node(2, {range(0, 16), range(0, 16)});

  EXPECT_EQ(plan_threads(node, 0, {.openmp = 3}).count, 3);
  EXPECT_EQ(plan_threads(node, 0, {.openmp = 12}).count, 12);
  EXPECT_EQ(plan_threads(node, 0, {.slurm = 4}).count, 4);
  EXPECT_EQ(plan_threads(node, 0, {.slurm = 12}).count, 8);
  EXPECT_EQ(plan_threads(node, 0, {.quota = 6}).count, 3);
  EXPECT_EQ(plan_threads(node, 0, {.quota = 1}).count, 1);
  EXPECT_EQ(plan_threads(node, 0, {.openmp = 3, .slurm = 4}).note,
            "3 threads a rank: OMP_NUM_THREADS is 3");
}

}  // namespace
}  // namespace fg::session
