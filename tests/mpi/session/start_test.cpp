#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/session/agreement.hpp>
#include <fg/session/placement.hpp>
#include <fg/session/rank_table.hpp>
#include <fg/session/threads.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/mpi_session.hpp>

namespace fg::session {
namespace {

Session& session() {
  return test::mpi_session();
}

/// Two machines that take turns among the ranks.
struct TwoNodes {
  TwoNodes() { ::setenv("FG_NODE", session().rank() % 2 == 0 ? "h1" : "h2", 1); }
  ~TwoNodes() { ::unsetenv("FG_NODE"); }
};

TEST(FindPlacement, PutsAllRanksOnThisMachine) {
  const Placement placement = find_placement(session());

  EXPECT_EQ(placement.nodes, 1);
  EXPECT_EQ(placement.local_rank, session().rank());
  EXPECT_EQ(placement.local_ranks, session().size());
  EXPECT_EQ(placement.host_of_rank,
            std::vector<std::string>(static_cast<std::size_t>(session().size()), host_name()));
}

TEST(FindPlacement, CountsOnEachNode) {
  const TwoNodes nodes;
  const Placement placement = find_placement(session());

  EXPECT_EQ(placement.nodes, session().size() == 1 ? 1 : 2);
  EXPECT_EQ(placement.node, session().rank() % 2);
  EXPECT_EQ(placement.local_rank, session().rank() / 2);
  EXPECT_EQ(placement.local_ranks, (session().size() + 1) / 2);
}

TEST(ShareCores, GivesEachRankSome) {
  const Threads threads = share_cores(session(), find_placement(session()));

  EXPECT_GE(threads.count, 1);
  EXPECT_FALSE(threads.cores.empty());
  EXPECT_NE(threads.note.find("a rank"), std::string::npos) << threads.note;
}

TEST(RequireSame, IsSilentWhereAllAgree) {
  require_same(session(), {{"fg", "0.1"}, {"empty", ""}});
  require_same(session(), {});
}

TEST(RequireSame, NamesTheRankThatDiffers) {
  const TwoNodes nodes;
  const int last = session().size() - 1;
  if (last == 0) return;
  const auto compare = [&] {
    require_same(session(), {{"fg", "0.1"}, {"torch", session().rank() == last ? "2.10" : "2.11"}});
  };

  if (session().is_first())
    test::expect_error(
        ExitCode::ranks_disagree,
        {"torch: rank 0 (h1) has 2.11; rank " + std::to_string(last) + " (h2) has 2.10"}, compare);
  else
    test::expect_error(ExitCode::ranks_disagree, "another rank", compare);
  EXPECT_TRUE(session().failed_together());
  session().forget_failure();
}

TEST(RankTable, IsOnTheFirstRank) {
  const TwoNodes nodes;
  const auto lines = rank_table(session(), find_placement(session()),
                                {{"threads", std::to_string(session().rank() + 1)}});

  if (!session().is_first()) {
    EXPECT_TRUE(lines.empty());
    return;
  }
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(session().size()) + 1);
  EXPECT_EQ(lines[0], "rank  host  threads");
  for (int rank = 0; rank < session().size(); ++rank)
    EXPECT_EQ(lines[static_cast<std::size_t>(rank) + 1], std::to_string(rank) + "     h" +
                                                             std::to_string(rank % 2 + 1) + "    " +
                                                             std::to_string(rank + 1));
}

}  // namespace
}  // namespace fg::session
