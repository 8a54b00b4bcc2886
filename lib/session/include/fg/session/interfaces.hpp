#pragma once

#include <string>
#include <vector>

namespace fg::session {

/// A network interface that is up and has an IPv4 address.
struct Interface {
  std::string name;          // "eth0"
  std::string address;       // "10.9.0.1"
  int prefix = 0;            // 24
  int megabits = 0;          // 0: the kernel does not tell
  bool has_default = false;  // the default route goes through it
  bool is_virtual = false;   // a bridge or the end of one (docker0, virbr0, br-…, veth…)
};

/// This machine's, without loopback, in the kernel's order. What cannot be read counts as absent.
std::vector<Interface> find_interfaces();

/// "eth0 (10.9.0.1/24, 1000 Mbit/s)".
std::string describe(const Interface& interface);

struct InterfaceChoice {
  std::string name;  // "" where the machine has none
  std::string note;  // "" where there was nothing to choose
};

/// `words`: names ("eth0,eno1") and subnets ("10.9.0.0/24") by comma, so that one setting serves
/// machines that name theirs differently: the first interface that any word matches is taken, in
/// the words' order. Error(usage) naming what there is if none matches, or for a word that looks
/// like a subnet and is none.
///
/// Without words: the one of the default route, else the fastest, else the first; bridges only
/// where nothing else is. The note then names what was taken, what was passed over, and how to
/// choose.
InterfaceChoice choose_interface(const std::string& words,
                                 const std::vector<Interface>& interfaces);

/// Of this machine. Without words $FG_INTERFACE counts.
InterfaceChoice choose_interface(const std::string& words);

/// Has NCCL talk through this interface, where $NCCL_SOCKET_IFNAME does not say otherwise. Before
/// NCCL starts. Nothing for "".
void use_interface(const std::string& name);

/// Has Open MPI talk through the interface that $FG_INTERFACE chooses, where $OMPI_MCA_… do not say
/// otherwise. Before MPI starts, hence not from a configuration; Session does it. Error(usage) as
/// `choose_interface`.
void use_interface_for_mpi();

}  // namespace fg::session
