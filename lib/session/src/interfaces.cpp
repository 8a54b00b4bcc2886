#include "fg/session/interfaces.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <fg/base/error.hpp>

namespace fg::session {
namespace {

std::uint32_t number_of(const sockaddr* address) {
  return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
}

std::string address_text(std::uint32_t number) {
  std::array<char, INET_ADDRSTRLEN> text{};
  const in_addr address{htonl(number)};
  ::inet_ntop(AF_INET, &address, text.data(), text.size());
  return text.data();
}

std::optional<std::uint32_t> parse_address(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

/// Reading it fails on interfaces that have no speed, and some tell -1.
int speed_of(const std::string& name) {
  std::ifstream file("/sys/class/net/" + name + "/speed");
  int megabits = 0;
  return file >> megabits && megabits > 0 ? megabits : 0;
}

std::vector<std::string> default_routes() {
  std::ifstream file("/proc/net/route");
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    std::istringstream columns(line);
    std::string name, destination;
    columns >> name >> destination;
    if (destination == "00000000") names.push_back(name);
  }
  return names;
}

bool is_virtual(const std::string& name) {
  for (const char* begin : {"docker", "virbr", "br-", "veth", "lxcbr", "lxdbr", "cni", "podman"})
    if (name.starts_with(begin)) return true;
  return false;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) {
    const std::size_t begin = word.find_first_not_of(" \t");
    if (begin == std::string::npos) continue;
    words.push_back(word.substr(begin, word.find_last_not_of(" \t") - begin + 1));
  }
  return words;
}

/// True if `interface` has this name, or an address in this subnet.
bool matches(const Interface& interface, const std::string& word) {
  if (word == interface.name) return true;
  const std::size_t slash = word.find('/');
  const auto subnet = parse_address(word.substr(0, slash));
  if (!subnet && slash == std::string::npos) return false;
  int prefix = 32;
  const char* const end = word.data() + word.size();
  bool is_sound = subnet.has_value();
  if (slash != std::string::npos) {
    const auto parsed = std::from_chars(word.data() + slash + 1, end, prefix);
    is_sound = is_sound && parsed.ec == std::errc() && parsed.ptr == end;
  }
  if (!is_sound || prefix < 0 || prefix > 32)
    fail(ExitCode::usage, "network interface '" + word +
                              "': not a subnet like 10.9.0.0/24, nor the name of an interface");
  const std::uint32_t mask = prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix);
  const auto own = parse_address(interface.address);
  return own && (*own & mask) == (*subnet & mask);
}

std::string list_of(const std::vector<Interface>& interfaces) {
  std::string text;
  for (const Interface& each : interfaces) text += (text.empty() ? "" : ", ") + describe(each);
  return text.empty() ? "none" : text;
}

const Interface& best_of(const std::vector<Interface>& interfaces) {
  return *std::max_element(interfaces.begin(), interfaces.end(),
                           [](const Interface& one, const Interface& other) {
                             return std::pair(one.has_default, one.megabits) <
                                    std::pair(other.has_default, other.megabits);
                           });
}

}  // namespace

std::vector<Interface> find_interfaces() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owned(first, ::freeifaddrs);
  const std::vector<std::string> routes = default_routes();
  std::vector<Interface> interfaces;
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    if ((each->ifa_flags & IFF_UP) == 0 || (each->ifa_flags & IFF_LOOPBACK) != 0) continue;
    Interface interface;
    interface.name = each->ifa_name;
    interface.address = address_text(number_of(each->ifa_addr));
    if (each->ifa_netmask != nullptr)
      interface.prefix = std::popcount(number_of(each->ifa_netmask));
    interface.megabits = speed_of(interface.name);
    interface.has_default = std::find(routes.begin(), routes.end(), interface.name) != routes.end();
    interface.is_virtual = is_virtual(interface.name);
    interfaces.push_back(interface);
  }
  return interfaces;
}

std::string describe(const Interface& interface) {
  std::string text =
      interface.name + " (" + interface.address + "/" + std::to_string(interface.prefix);
  if (interface.megabits > 0) text += ", " + std::to_string(interface.megabits) + " Mbit/s";
  return text + ")";
}

InterfaceChoice choose_interface(const std::string& words,
                                 const std::vector<Interface>& interfaces) {
  for (const std::string& word : words_of(words))
    for (const Interface& each : interfaces)
      if (matches(each, word)) return {each.name, ""};
  if (!words_of(words).empty())
    fail(ExitCode::usage,
         "no network interface of this machine is '" + words + "'; up: " + list_of(interfaces));
  std::vector<Interface> real, bridges;
  for (const Interface& each : interfaces) (each.is_virtual ? bridges : real).push_back(each);
  const bool only_bridges = real.empty();
  if (only_bridges) real.swap(bridges);
  if (real.empty()) return {"", "no network interface is up"};
  const Interface taken = best_of(real);
  if (real.size() == 1 && bridges.empty()) return {taken.name, ""};
  std::vector<Interface> others;
  for (const Interface& each : real)
    if (each.name != taken.name) others.push_back(each);
  std::string note = "network interface " + describe(taken);
  if (taken.has_default) note += ", that of the default route,";
  note += " is taken";
  if (!others.empty()) note += "; also up: " + list_of(others);
  if (!bridges.empty()) note += "; bridges passed over: " + list_of(bridges);
  return {taken.name, note + "; comm.interface or $FG_INTERFACE chooses, by name or subnet"};
}

InterfaceChoice choose_interface(const std::string& words) {
  const char* const common = std::getenv("FG_INTERFACE");
  return choose_interface(words.empty() && common != nullptr ? common : words, find_interfaces());
}

void use_interface(const std::string& name) {
  if (!name.empty()) ::setenv("NCCL_SOCKET_IFNAME", ("=" + name).c_str(), 0);
}

void use_interface_for_mpi() {
  const char* words = std::getenv("FG_INTERFACE");
  if (words == nullptr || *words == '\0') return;
  const std::string name = choose_interface(words).name;
  ::setenv("OMPI_MCA_btl_tcp_if_include", name.c_str(), 0);
  ::setenv("OMPI_MCA_oob_tcp_if_include", name.c_str(), 0);
}

}  // namespace fg::session
