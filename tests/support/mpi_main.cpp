#include <cstdlib>
#include <memory>

#include <gtest/gtest.h>

#include <fg/session/session.hpp>
#include <fg/test/mpi_session.hpp>
#include <fg/test/rank_listener.hpp>

namespace {

fg::session::Session* the_session = nullptr;

std::chrono::milliseconds patience() {
  const char* seconds = std::getenv("FG_TEST_PATIENCE");
  return std::chrono::seconds(seconds != nullptr ? std::atoi(seconds) : 30);
}

}  // namespace

fg::session::Session& fg::test::mpi_session() {
  return *the_session;
}

int main(int argc, char** argv) {
  fg::session::Session session(argc, argv);
  the_session = &session;
  testing::InitGoogleTest(&argc, argv);

  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  std::unique_ptr<testing::TestEventListener> report(
      listeners.Release(listeners.default_result_printer()));
  auto* ranks = new fg::test::RankListener(MPI_COMM_WORLD, std::move(report), patience());
  listeners.Append(ranks);

  const int status = RUN_ALL_TESTS();  // equal on all ranks: the listener saw to that
  delete listeners.Release(ranks);     // frees its communicator, so before MPI_Finalize
  return status;
}
