// comm_hang FOLDER: the last rank goes to sleep; the others find out and end the job.
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
