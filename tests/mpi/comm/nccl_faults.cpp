// comm_nccl_faults WHAT, on two GPUs: the peer of an operation of NCCL never comes. Tells what
// happens and when. WHAT:
//   stall    it sleeps: Options::on_stall after the time-out of 3 s, then the next call's error
//   default  the same without a hook: exit code 7
//   late     it comes in time, but this rank's GPU is busy for longer than the time-out: no stall
//   abort    another thread aborts
//   start    it does not begin with NCCL: run rank 1 with FG_FAIL=comm.before_nccl_start:sleep=9@2
//   kill     it is killed (for mpirun to leave the others: mpirun … sh -c 'comm_nccl_faults kill;
//   sleep 15')
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>

#include <ATen/cuda/Sleep.h>
#include <ATen/ops/zeros.h>
#include <unistd.h>

#include <fg/comm/communicator.hpp>
#include <fg/device/device.hpp>

namespace {

using namespace fg;
using Clock = std::chrono::steady_clock;

Clock::time_point begin;

void tell(const std::string& what) {
  const std::chrono::duration<double> since = Clock::now() - begin;
  std::fprintf(stderr, "%6.2f s  %s\n", since.count(), what.c_str());
}

void sleep_for(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

/// What the host meets that waits for its GPU, and then calls comm again.
void go_on(comm::Communicator& all, const at::Tensor& values) {
  try {
    device::synchronise(values.device());
    tell("the GPU is done");
  } catch (const std::exception& error) {
    const std::string text = error.what();
    tell("the GPU says: " + text.substr(0, text.find('\n')));
  }
  for (int turn = 0; turn < 100; ++turn) {
    try {
      all.poll();
    } catch (const Error& error) {
      tell("exit code " + std::to_string(static_cast<int>(error.code())) + ": " + error.what());
      return;
    }
    sleep_for(0.1);
  }
  tell("no error");
}

}  // namespace

int main(int argc, char** argv) {
  session::Session session(argc, argv);
  const std::string what = argv[1];
  comm::Options options;
  options.timeout_s = what == "late" && session.rank() == 1 ? 60 : 3;
  if (what != "default")
    options.on_stall = [](const std::string& sentence) { tell("stall: " + sentence); };
  const at::Device gpu(at::kCUDA, static_cast<c10::DeviceIndex>(session.rank()));
  device::use(gpu);
  const auto all = comm::Communicator::connect(session, options, gpu);
  if (what == "start") {
    begin = Clock::now();
    try {
      all->group({0, 1});
    } catch (const Error& error) {
      tell("exit code " + std::to_string(static_cast<int>(error.code())) + ": " + error.what());
    }
    sleep_for(session.rank() == 1 ? 25 : 0);
    ::_exit(0);
  }
  const auto pair = all->group(all->world_ranks(), comm::Traffic::messages);
  const at::Tensor values = at::zeros({16 << 20}, at::TensorOptions(at::kFloat).device(gpu));
  device::synchronise(gpu);
  all->barrier();
  begin = Clock::now();
  if (session.rank() == 1) {
    if (what == "kill") {
      sleep_for(1);
      ::raise(SIGKILL);
    }
    if (what == "late") {
      pair->send(values, 0);
      device::synchronise(gpu);
    }
    sleep_for(25);
    ::_exit(0);
  }
  if (what == "late") at::cuda::sleep(10'000'000'000);  // cycles: five seconds
  pair->recv(values, 1);
  tell("queued");
  if (what == "default") sleep_for(25);
  std::thread aborting;
  if (what == "abort")
    aborting = std::thread([] {
      sleep_for(1);
      tell("aborting");
      comm::Communicator::abort_all();
      tell("aborted");
    });
  go_on(*all, values);
  if (aborting.joinable()) aborting.join();
  tell("end");
  ::_exit(0);
}
