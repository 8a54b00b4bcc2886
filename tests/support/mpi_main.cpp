#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

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

/// Whether there are as many ranks as FG_TEST_RANKS asks for. A launcher that starts each rank as a
/// job of its own would else let every test pass on one rank.
bool has_the_ranks_asked_for(const fg::session::Session& session) {
  const char* wanted = std::getenv("FG_TEST_RANKS");
  if (wanted == nullptr || std::to_string(session.size()) == wanted) return true;
  std::fprintf(stderr, "[rank %d of %d] FG_TEST_RANKS asks for %s ranks\n", session.rank(),
               session.size(), wanted);
  return false;
}

/// FG_TEST_RESULTS names a folder for what each test of this program came to:
/// <program>.<ranks>.xml.
void choose_report(const char* program, const fg::session::Session& session) {
  const char* folder = std::getenv("FG_TEST_RESULTS");
  if (folder == nullptr || session.rank() != 0) return;
  const std::string name = std::filesystem::path(program).filename().string() + "." +
                           std::to_string(session.size()) + ".xml";
  GTEST_FLAG_SET(output, "xml:" + (std::filesystem::path(folder) / name).string());
}

/// FG_TEST_FILTER is --gtest_filter for these programs alone: CTest would list the tests of all
/// others by GTEST_FILTER too.
void choose_tests() {
  const char* filter = std::getenv("FG_TEST_FILTER");
  if (filter != nullptr && *filter != '\0') GTEST_FLAG_SET(filter, filter);
}

}  // namespace

fg::session::Session& fg::test::mpi_session() {
  return *the_session;
}

int main(int argc, char** argv) {
  fg::session::Session session(argc, argv);
  the_session = &session;
  if (!has_the_ranks_asked_for(session)) return 1;
  choose_report(argv[0], session);
  choose_tests();
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
