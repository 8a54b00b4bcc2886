#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/session/placement.hpp>
#include <fg/test/expect_error.hpp>

#include "packed_texts.hpp"

namespace fg::session {
namespace {

using Texts = std::vector<std::string>;

TEST(Placement, CountsLocalRanksInRankOrder) {
  const Texts hosts = {"b", "a", "b", "b", "a"};

  const Placement placement = place_ranks(hosts, hosts, 3);

  EXPECT_EQ(placement.host_of_rank, hosts);
  EXPECT_EQ(placement.node_of_rank, (std::vector<int>{0, 1, 0, 0, 1}));
  EXPECT_EQ(placement.node, 0);
  EXPECT_EQ(placement.nodes, 2);
  EXPECT_EQ(placement.local_rank, 2);
  EXPECT_EQ(placement.local_ranks, 3);
}

TEST(Placement, GivesLocalRanksOfEachNodeOnce) {
  const Texts hosts = {"a", "a", "b", "b"};
  for (int rank = 0; rank < 4; ++rank) {
    const Placement placement = place_ranks(hosts, hosts, rank);
    EXPECT_EQ(placement.local_rank, rank % 2);
    EXPECT_EQ(placement.node, rank / 2);
  }
}

TEST(Placement, TellsMachinesOfOneNameApart) {
  const Placement placement =
      place_ranks({"localhost", "localhost", "localhost"}, {"l/1", "l/2", "l/1"}, 2);

  EXPECT_EQ(placement.host_of_rank, (Texts{"localhost", "localhost (2)", "localhost"}));
  EXPECT_EQ(placement.nodes, 2);
  EXPECT_EQ(placement.local_rank, 1);
}

TEST(Placement, RefusesARankThatIsNotThere) {
  test::expect_error(ExitCode::bug, "rank", [] { place_ranks({"a"}, {"a"}, 1); });
}

TEST(DeviceTurn, CountsRanksOfTheNodeThatSeeTheSameDevices) {
  const Texts hosts = {"a", "a", "b", "b"};
  const Placement placement = place_ranks(hosts, hosts, 0);
  const auto turns = [&](const Texts& seen) {
    std::vector<int> all;
    for (int rank = 0; rank < 4; ++rank) all.push_back(device_turn(seen, placement, rank));
    return all;
  };

  EXPECT_EQ(turns({"g,h", "g,h", "k,l", "k,l"}), (std::vector<int>{0, 1, 0, 1}));
  EXPECT_EQ(turns({"g", "h", "k", "l"}), (std::vector<int>{0, 0, 0, 0}));
  EXPECT_EQ(turns({"", "", "k", "k"}), (std::vector<int>{0, 1, 0, 1}));
}

TEST(SharedDevice, NamesTwoRanksThatHaveOne) {
  const Texts hosts = {"a", "a", "b", "b"};
  const Placement placement = place_ranks(hosts, hosts, 0);

  EXPECT_FALSE(shared_device({"g", "h", "k", "l"}, placement));
  EXPECT_FALSE(shared_device({"", "", "", ""}, placement));
  EXPECT_FALSE(shared_device({"g", "h", "g", "h"}, placement));  // by FG_NODE or namespaces
  EXPECT_EQ(shared_device({"g", "h", "k", "k"}, placement).value_or(""),
            "ranks 2 and 3 (b) have the same device, k; each needs its own");
}

TEST(HostName, IsThatOfTheEnvironment) {
  ::setenv("FG_NODE", "h7", 1);
  EXPECT_EQ(host_name(), "h7");
  EXPECT_EQ(node_id(), "h7");
  ::unsetenv("FG_NODE");
  EXPECT_FALSE(host_name().empty());
  EXPECT_TRUE(node_id().starts_with(host_name() + "/"));
}

TEST(PackedTexts, ComeBackByteForByte) {
  const Texts texts = {"", "3:abc", std::string("a\0b\xff", 4), "\n"};

  EXPECT_EQ(unpack(pack(texts)), texts);
  EXPECT_EQ(unpack(""), Texts());
  for (const char* wrong : {"3:ab", "x", "2", "99999999999999999999:a"})
    test::expect_error(ExitCode::bug, "packed_texts", [&] { unpack(wrong); });
}

}  // namespace
}  // namespace fg::session
