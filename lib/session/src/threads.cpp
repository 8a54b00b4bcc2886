#include "fg/session/threads.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include <sched.h>
#include <unistd.h>

#include <fg/base/error.hpp>

#include "packed_texts.hpp"

namespace fg::session {
namespace {

constexpr int most_cores = 8192;

Cores cores_of_this_thread() {
  cpu_set_t* set = CPU_ALLOC(most_cores);
  const std::size_t bytes = CPU_ALLOC_SIZE(most_cores);
  CPU_ZERO_S(bytes, set);
  Cores cores;
  if (::sched_getaffinity(0, bytes, set) == 0)
    for (int core = 0; core < most_cores; ++core)
      if (CPU_ISSET_S(core, bytes, set)) cores.push_back(core);
  CPU_FREE(set);
  return cores;
}

/// The kernel leaves out what the cpuset does not allow.
void run_on(const Cores& cores) {
  cpu_set_t* set = CPU_ALLOC(most_cores);
  const std::size_t bytes = CPU_ALLOC_SIZE(most_cores);
  CPU_ZERO_S(bytes, set);
  for (const int core : cores)
    if (core < most_cores) CPU_SET_S(core, bytes, set);
  ::sched_setaffinity(0, bytes, set);  // where it fails the mask stays, and that is read back
  CPU_FREE(set);
}

/// The value of one line of /proc/PID/status.
std::string status_of(const std::string& process, const std::string& key) {
  std::ifstream file("/proc/" + process + "/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key + ":")) {
      const std::size_t begin = line.find_first_not_of(" \t", key.size() + 1);
      return begin == std::string::npos ? "" : line.substr(begin);
    }
  return "";
}

/// The mask of the process that bound this one: scripts may stand between.
Cores cores_of_launcher() {
  std::string process = std::to_string(::getppid());
  for (int level = 0; level < 8 && process.size() > 0 && process != "1" && process != "0";
       ++level) {
    const std::string name = status_of(process, "Name");
    for (const char* launcher : {"mpirun", "mpiexec", "orterun", "orted", "prterun", "prted"})
      if (name == launcher) return parse_cores(status_of(process, "Cpus_allowed_list"));
    process = status_of(process, "PPid");
  }
  return {};
}

int positive_number(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return 0;
  int number = 0;
  std::from_chars(text, text + std::string_view(text).size(), number);  // "8,4" gives 8
  return std::max(number, 0);
}

/// Of the cgroup that is the root of this container, or of the machine, where there is none.
int cgroup_quota() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0;
  double period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return 0;  // "max 100000"
  return std::max(1, static_cast<int>(quota / period));
}

Cores united(const Cores& one, const Cores& other) {
  Cores all;
  std::set_union(one.begin(), one.end(), other.begin(), other.end(), std::back_inserter(all));
  return all;
}

/// Of each rank of a node, after widening.
std::vector<Cores> widened(const std::vector<CoreShare>& node) {
  Cores all;
  for (const CoreShare& rank : node) all = united(all, united(rank.own, rank.launcher));
  const std::size_t share = std::max<std::size_t>(1, all.size() / node.size());
  std::vector<Cores> masks;
  for (const CoreShare& rank : node)
    masks.push_back(rank.own.size() < share ? united(rank.own, rank.launcher) : rank.own);
  return masks;
}

/// The sum over a rank's cores of one by the number of ranks on it.
int share_of(const std::vector<Cores>& masks, std::size_t own) {
  double sum = 0;
  for (const int core : masks[own])
    sum +=
        1.0 / static_cast<double>(std::count_if(masks.begin(), masks.end(), [&](const Cores& mask) {
          return std::binary_search(mask.begin(), mask.end(), core);
        }));
  return std::max(1, static_cast<int>(sum + 1e-6));
}

std::string count_of(std::size_t number, const std::string& what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

}  // namespace

Cores parse_cores(const std::string& text) {
  Cores cores;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    int first = 0;
    const char* const end = word.data() + word.size();
    const auto [middle, error] = std::from_chars(word.data(), end, first);
    int last = first;
    if (error != std::errc() || first < 0) continue;
    if (middle != end &&
        (*middle != '-' || std::from_chars(middle + 1, end, last).ec != std::errc()))
      continue;
    for (int core = first; core <= std::min(last, most_cores - 1); ++core) cores.push_back(core);
  }
  std::sort(cores.begin(), cores.end());
  cores.erase(std::unique(cores.begin(), cores.end()), cores.end());
  return cores;
}

std::string describe_cores(const Cores& cores) {
  std::string text;
  for (std::size_t i = 0; i < cores.size();) {
    std::size_t end = i + 1;
    while (end < cores.size() && cores[end] == cores[end - 1] + 1) ++end;
    text += (text.empty() ? "" : ",") + std::to_string(cores[i]);
    if (end > i + 1) text += "-" + std::to_string(cores[end - 1]);
    i = end;
  }
  return text;
}

Threads plan_threads(const std::vector<CoreShare>& node, int local_rank,
                     const ThreadLimits& limits) {
  FG_CHECK(local_rank >= 0 && static_cast<std::size_t>(local_rank) < node.size());
  const auto own = static_cast<std::size_t>(local_rank);
  const std::vector<Cores> masks = widened(node);
  Threads threads;
  threads.cores = masks[own];
  threads.count = share_of(masks, own);
  std::string why =
      count_of(threads.cores.size(), "core") + " (" + describe_cores(threads.cores) + ")";
  const auto sharing =
      static_cast<std::size_t>(std::count_if(masks.begin(), masks.end(), [&](const Cores& mask) {
        return std::find_first_of(mask.begin(), mask.end(), masks[own].begin(), masks[own].end()) !=
               mask.end();
      }));
  if (sharing > 1) why += " for " + count_of(sharing, "rank") + " of this machine";
  const int ranks = static_cast<int>(node.size());
  if (limits.quota > 0 && limits.quota / ranks < threads.count) {
    threads.count = std::max(1, limits.quota / ranks);
    why += ", whose cgroup gives the time of " + std::to_string(limits.quota);
  }
  if (limits.slurm > 0 && limits.slurm < threads.count) {
    threads.count = limits.slurm;
    why = "SLURM_CPUS_PER_TASK is " + std::to_string(limits.slurm);
  }
  if (limits.openmp > 0) {
    threads.count = limits.openmp;
    why = "OMP_NUM_THREADS is " + std::to_string(limits.openmp);
  }
  threads.note = count_of(static_cast<std::size_t>(threads.count), "thread") + " a rank: " + why;
  if (threads.cores.size() > node[own].own.size())
    threads.note += "; the launcher had bound this rank to " +
                    count_of(node[own].own.size(), "core") + ", which was undone";
  return threads;
}

Threads share_cores(Session& session, const Placement& placement) {
  const std::string mine =
      pack({describe_cores(cores_of_this_thread()), describe_cores(cores_of_launcher())});
  const auto told = session.gather_to_all(mine);
  std::vector<CoreShare> node;
  for (std::size_t rank = 0; rank < told.size(); ++rank) {
    if (placement.node_of_rank[rank] != placement.node) continue;
    const auto both = unpack(told[rank]);
    FG_CHECK(both.size() == 2);
    node.push_back({parse_cores(both[0]), parse_cores(both[1])});
  }
  const ThreadLimits limits = {positive_number("OMP_NUM_THREADS"),
                               positive_number("SLURM_CPUS_PER_TASK"), cgroup_quota()};
  const auto own = static_cast<std::size_t>(placement.local_rank);
  Threads planned = plan_threads(node, placement.local_rank, limits);
  if (planned.cores == node[own].own) return planned;
  run_on(planned.cores);
  const Cores got = cores_of_this_thread();
  if (got == planned.cores) return planned;
  // The kernel gave less, so count with that. The other ranks got the same from it.
  for (CoreShare& rank : node) rank.launcher = got;
  planned = plan_threads(node, placement.local_rank, limits);
  planned.cores = got;
  return planned;
}

}  // namespace fg::session
