#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <fg/session/interfaces.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::session {
namespace {

using test::expect_error;

Interface make(const std::string& name, const std::string& address, int megabits = 0,
               bool has_default = false, bool is_virtual = false) {
  return {name, address, 24, megabits, has_default, is_virtual};
}

const std::vector<Interface> three = {make("docker0", "172.17.0.1", 0, false, true),
                                      make("eth0", "192.168.1.7", 1000, true),
                                      make("ib0", "10.9.0.7", 100000)};

TEST(Interfaces, TakesTheOneOfTheDefaultRouteAndSaysSo) {
  const InterfaceChoice choice = choose_interface("", three);

  EXPECT_EQ(choice.name, "eth0");
  EXPECT_EQ(choice.note,
            "network interface eth0 (192.168.1.7/24, 1000 Mbit/s), that of the default route, is "
            "taken; also up: ib0 (10.9.0.7/24, 100000 Mbit/s); bridges passed over: docker0 "
            "(172.17.0.1/24); comm.interface or $FG_INTERFACE chooses, by name or subnet");
}

TEST(Interfaces, SaysNothingWhereThereIsOne) {
  const InterfaceChoice choice = choose_interface("", {make("eth0", "10.0.0.1")});

  EXPECT_EQ(choice.name, "eth0");
  EXPECT_EQ(choice.note, "");
}

TEST(Interfaces, TakesTheFastestWithoutADefaultRoute) {
  EXPECT_EQ(choose_interface("", {make("a", "10.0.0.1", 1000), make("b", "10.1.0.1", 10000),
                                  make("c", "10.2.0.1", 10000)})
                .name,
            "b");
}

TEST(Interfaces, TakesABridgeOnlyWhereNothingElseIs) {
  EXPECT_EQ(
      choose_interface("", {make("veth1", "10.0.0.1", 10000, true, true), make("eth0", "10.1.0.1")})
          .name,
      "eth0");
  const InterfaceChoice alone = choose_interface("", {make("veth1", "10.0.0.1", 0, false, true)});
  EXPECT_EQ(alone.name, "veth1");
  EXPECT_EQ(alone.note, "");
}

TEST(Interfaces, IsChosenByNameOrSubnetInTheOrderOfTheWords) {
  EXPECT_EQ(choose_interface("ib0,eth0", three).name, "ib0");
  EXPECT_EQ(choose_interface("eno1, ib0", three).name, "ib0");
  EXPECT_EQ(choose_interface("10.9.0.0/24,eth0", three).name, "ib0");
  EXPECT_EQ(choose_interface("10.8.0.0/16,192.168.0.0/16", three).name, "eth0");
  EXPECT_EQ(choose_interface("172.17.0.1", three).name, "docker0");
  EXPECT_EQ(choose_interface("0.0.0.0/0", three).name, "docker0");
}

TEST(Interfaces, RefusesWhatIsNotThereAndNamesWhatIs) {
  expect_error(ExitCode::usage, {"'eno1,10.8.0.0/24'", "eth0 (192.168.1.7/24", "ib0 (10.9.0.7/24"},
               [] { choose_interface("eno1,10.8.0.0/24", three); });
  expect_error(ExitCode::usage, "up: none", [] { choose_interface("eth0", {}); });
  for (const char* wrong : {"10.9.0.0/33", "10.9.0/24", "10.9.0.0/", "10.9.0.0/2x", "eth0/24"})
    expect_error(ExitCode::usage, {wrong, "not a subnet"}, [&] { choose_interface(wrong, three); });
}

TEST(Interfaces, OfThisMachineAreReadWithoutLoopback) {
  for (const Interface& each : find_interfaces()) {
    EXPECT_NE(each.name, "lo");
    EXPECT_FALSE(each.address.empty());
    EXPECT_EQ(choose_interface(each.name).name, each.name);
  }
}

TEST(Interfaces, AreChosenByTheEnvironmentWhereNoWordsAreGiven) {
  ::setenv("FG_INTERFACE", "203.0.113.0/24", 1);
  expect_error(ExitCode::usage, "'203.0.113.0/24'", [] { choose_interface(""); });
  for (const Interface& each : find_interfaces())
    EXPECT_EQ(choose_interface(each.name).name, each.name);
  ::unsetenv("FG_INTERFACE");
}

TEST(Interfaces, LeavesWhatTheUserSetForNccl) {
  ::unsetenv("NCCL_SOCKET_IFNAME");
  use_interface("");
  EXPECT_EQ(std::getenv("NCCL_SOCKET_IFNAME"), nullptr);
  use_interface("eth0");
  EXPECT_STREQ(std::getenv("NCCL_SOCKET_IFNAME"), "=eth0");
  use_interface("eth1");
  EXPECT_STREQ(std::getenv("NCCL_SOCKET_IFNAME"), "=eth0");
  ::unsetenv("NCCL_SOCKET_IFNAME");
}

}  // namespace
}  // namespace fg::session
