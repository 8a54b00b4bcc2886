#include "ranks.hpp"

#include <algorithm>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/version.hpp>
#include <fg/comm/nccl.hpp>
#include <fg/device/device.hpp>
#include <fg/engine/flops.hpp>
#include <fg/engine/process_memory.hpp>
#include <fg/log/log.hpp>
#include <fg/ops/libraries.hpp>
#include <fg/session/agreement.hpp>
#include <fg/session/interfaces.hpp>
#include <fg/session/rank_table.hpp>

namespace fg::train {
namespace {

std::string device_name(at::Device device) {
  if (device.is_cpu()) return "CPU";
  return "GPU " + std::to_string(device.index()) + " " + device::describe_gpu(device.index()).name;
}

/// Every rank's number, on all.
std::vector<double> all_of(session::Session& session, double mine) {
  std::vector<double> all;
  for (const std::string& text : session.gather_to_all(Json(mine).dump()))
    all.push_back(Json::parse(text).get<double>());
  return all;
}

/// Of the ranks' GPUs, where they are known and differ.
std::vector<double> speeds(session::Session& session, at::Device device) {
  const double mine =
      device.is_cuda()
          ? engine::device_peak_flops(device::describe_gpu(device.index()).name).value_or(0)
          : 0;
  std::vector<double> all = all_of(session, mine);
  const bool are_known = std::ranges::all_of(all, [](double speed) { return speed > 0; });
  const bool are_alike = std::ranges::all_of(all, [&](double speed) { return speed == all[0]; });
  return are_known && !are_alike ? all : std::vector<double>();
}

std::vector<session::Fact> facts_of(const engine::RunSettings& settings) {
  static const bool is_other = fault_planted("train.other_version");
  const std::string release = is_other ? "0.0.0" : std::string(version());
  std::vector<session::Fact> facts{{"fg", release + " " + std::string(commit())},
                                   {"LibTorch", ops::tensor_version()},
                                   {"MPI", session::mpi_library()},
                                   {"NCCL", comm::nccl_version()},
                                   {"kind of device", settings.device.is_cuda() ? "GPU" : "CPU"}};
  for (const auto& [key, value] : settings.identity.items()) facts.push_back({key, value.dump()});
  return facts;
}

/// NCCL does not join two ranks on one GPU, and says so in words of its own.
void require_own_gpus(session::Session& session, const Place& place, at::Device device) {
  const auto all =
      session.gather_to_all(device.is_cuda() ? device::gpu_id(device.index()) : std::string());
  session.together([&] {
    if (const auto shared = session::shared_device(all, place.placement))
      fail(ExitCode::usage, *shared);
  });
}

}  // namespace

Place find_place(session::Session& session) {
  Place place;
  place.placement = session::find_placement(session);
  place.threads = session::share_cores(session, place.placement);
  device::use_threads(place.threads.count);
  place.device_turn = session::find_device_turn(session, place.placement, device::visible_gpus);
  return place;
}

engine::World world_of(const session::Session& session, const Place& place, int ranks) {
  engine::World world;
  world.rank = session.rank();
  world.ranks = ranks;
  if (ranks == session.size()) world.node_of_rank = place.placement.node_of_rank;
  return world;
}

void meet(session::Session& session, const std::string& interface_words, Place& place,
          engine::RunSettings& settings) {
  if (session.size() == 1) return;
  session::require_same(session, facts_of(settings));
  require_own_gpus(session, place, settings.device);
  std::uint64_t available = engine::available_memory(settings.device);
  if (settings.device.is_cpu())
    available /= static_cast<std::uint64_t>(place.placement.local_ranks);
  settings.available_bytes = available;
  settings.least_available_bytes = session.smallest(available);
  settings.world.rank_speed = speeds(session, settings.device);
  session.together([&] {
    if (place.placement.nodes == 1) return;
    const session::InterfaceChoice choice = session::choose_interface(interface_words);
    session::use_interface(choice.name);
    place.interface = choice.name;
    if (!choice.note.empty()) log::info(choice.note);
  });
}

void require_same_plan(session::Session& session, const engine::RunSettings& settings,
                       const engine::RunPlan& plan) {
  if (session.size() > 1) session::require_same(session, engine::facts_of(settings, plan));
}

void show_ranks(session::Session& session, const Place& place,
                const engine::RunSettings& settings) {
  if (session.size() == 1) return;
  for (const std::string& line :
       session::rank_table(session, place.placement,
                           {{"device", device_name(settings.device)},
                            {"interface", place.interface},
                            {"threads", std::to_string(place.threads.count)}}))
    log::info(line);
  log::info(place.threads.note);
}

}  // namespace fg::train
