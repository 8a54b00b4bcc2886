#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/session/rank_table.hpp>

namespace fg::session {
namespace {

using Texts = std::vector<std::string>;

TEST(RankTable, HasAnAlignedRowARank) {
  EXPECT_EQ(
      format_rank_table({"a", "long"}, {"device", "threads"}, {{"cuda:0", "8"}, {"cpu", "16"}}),
      (Texts{"rank  host  device  threads",  //
             "0     a     cuda:0  8",        //
             "1     long  cpu     16"}));
}

TEST(RankTable, FoldsEqualNeighboursOfAHostWhereThereAreMany) {
  Texts hosts(17, "a");
  std::vector<Texts> rows(17, Texts{"cpu"});
  hosts[15] = hosts[16] = "b";
  rows[2] = {"gpu"};

  EXPECT_EQ(format_rank_table(hosts, {"device"}, rows),
            (Texts{"rank   host  device",  //
                   "0-1    a     cpu",     //
                   "2      a     gpu",     //
                   "3-14   a     cpu",     //
                   "15-16  b     cpu"}));
  hosts.pop_back();
  rows.pop_back();
  EXPECT_EQ(format_rank_table(hosts, {"device"}, rows).size(), 17u);
}

}  // namespace
}  // namespace fg::session
