#pragma once

#include <chrono>
#include <memory>

#include <gtest/gtest.h>
#include <mpi.h>

namespace fg::test {

/// Makes GoogleTest speak for several ranks: rank 0 prints the usual report, a rank that fails
/// prints its text at once, and a test that failed on one rank fails on all. A rank that leaves a
/// test early leaves its peers inside a collective; after `patience` it ends the job.
class RankListener final : public testing::EmptyTestEventListener {
public:
  /// Collective. Runs on a duplicate of `comm`, so it never meets a test's own messages.
  RankListener(MPI_Comm comm, std::unique_ptr<testing::TestEventListener> report,
               std::chrono::milliseconds patience);
  ~RankListener() override;

  void OnTestProgramStart(const testing::UnitTest& unit) override;
  void OnTestStart(const testing::TestInfo& test) override;
  void OnTestPartResult(const testing::TestPartResult& part) override;
  void OnTestEnd(const testing::TestInfo& test) override;
  void OnTestIterationEnd(const testing::UnitTest& unit, int iteration) override;

private:
  void meet_peers_or_abort(const testing::TestInfo& test);

  std::unique_ptr<testing::TestEventListener> report_;
  std::chrono::milliseconds patience_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  bool echoing_a_peer_ = false;
};

}  // namespace fg::test
