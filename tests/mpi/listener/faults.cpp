// Every test here misbehaves on rank 1 only, the way real tests do.
#include <chrono>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include <fg/test/mpi_session.hpp>

namespace {

bool is_culprit() {
  return fg::test::mpi_session().rank() == 1;
}
void meet() {
  fg::test::mpi_session().agree(fg::ExitCode::done);
}

TEST(OneRank, ExpectFails) {
  EXPECT_FALSE(is_culprit()) << "text of rank 1";
  meet();
}

TEST(OneRank, AssertFailsAfterTheCollective) {
  meet();
  ASSERT_FALSE(is_culprit()) << "text of rank 1";
}

TEST(OneRank, AssertFailsBeforeTheCollective) {
  ASSERT_FALSE(is_culprit()) << "text of rank 1";
  meet();
}

TEST(OneRank, ThrowsAfterTheCollective) {
  meet();
  if (is_culprit()) throw std::runtime_error("text of rank 1");
}

TEST(OneRank, ThrowsBeforeTheCollective) {
  if (is_culprit()) throw std::runtime_error("text of rank 1");
  meet();
}

TEST(OneRank, NeverReturns) {
  if (is_culprit()) std::this_thread::sleep_for(std::chrono::hours(1));
}

TEST(OneRank, IsFine) {
  meet();
}

}  // namespace
