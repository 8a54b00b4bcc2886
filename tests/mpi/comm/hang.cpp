// comm_hang FOLDER [connect]: the last rank goes to sleep (before it connects); the others find out
// and end the job.
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <ATen/ops/zeros.h>

#include <fg/comm/communicator.hpp>

int main(int argc, char** argv) {
  fg::session::Session session(argc, argv);
  fg::comm::Options options;
  options.timeout_s = 1;
  if (argc > 2) {
    session.set_timeout(0.5);
    if (session.rank() + 1 == session.size()) std::this_thread::sleep_for(std::chrono::hours(1));
    try {
      fg::comm::Communicator::connect(session, options);
    } catch (const fg::Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      session.abort(error.code());
    }
  }
  const auto all = fg::comm::Communicator::connect(session, options);
  all->barrier();
  if (all->rank() + 1 == all->size()) std::this_thread::sleep_for(std::chrono::hours(1));
  try {
    all->all_reduce_sum(at::zeros({3, 4}, at::kFloat));
  } catch (const fg::Error& error) {
    all->write_history(std::string(argv[1]) + "/hang-" + std::to_string(all->rank()) + ".json");
    std::fprintf(stderr, "%s\n", error.what());
    session.abort(error.code());
  }
  return 0;
}
