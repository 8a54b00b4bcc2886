#include <cstdio>
#include <thread>

#include <fg/test/rank_listener.hpp>

namespace fg::test {

RankListener::RankListener(MPI_Comm comm, std::unique_ptr<testing::TestEventListener> report,
                           std::chrono::milliseconds patience)
    : report_(std::move(report)), patience_(patience) {
  MPI_Comm_dup(comm, &comm_);
  MPI_Comm_rank(comm_, &rank_);
  MPI_Comm_size(comm_, &size_);
}

RankListener::~RankListener() {
  MPI_Comm_free(&comm_);
}

void RankListener::OnTestProgramStart(const testing::UnitTest& unit) {
  if (rank_ == 0) report_->OnTestProgramStart(unit);
}

void RankListener::OnTestStart(const testing::TestInfo& test) {
  if (rank_ == 0) report_->OnTestStart(test);
}

void RankListener::OnTestPartResult(const testing::TestPartResult& part) {
  if (!part.failed() || echoing_a_peer_) return;
  const char* file = part.file_name() != nullptr ? part.file_name() : "exception";
  std::fprintf(stderr, "[rank %d of %d] %s:%d\n%s\n", rank_, size_, file, part.line_number(),
               part.message());
  std::fflush(stderr);
}

void RankListener::OnTestEnd(const testing::TestInfo& test) {
  meet_peers_or_abort(test);
  const int failed_here = test.result()->Failed() ? 1 : 0;
  int failed_ranks = 0;
  MPI_Allreduce(&failed_here, &failed_ranks, 1, MPI_INT, MPI_SUM, comm_);
  if (failed_ranks > 0 && failed_here == 0) {
    echoing_a_peer_ = true;
    ADD_FAILURE() << "failed on " << failed_ranks << " of " << size_ << " ranks";
    echoing_a_peer_ = false;
  }
  if (rank_ == 0) report_->OnTestEnd(test);
}

void RankListener::OnTestIterationEnd(const testing::UnitTest& unit, int iteration) {
  if (rank_ == 0) report_->OnTestIterationEnd(unit, iteration);
}

void RankListener::meet_peers_or_abort(const testing::TestInfo& test) {
  MPI_Request barrier = MPI_REQUEST_NULL;
  MPI_Ibarrier(comm_, &barrier);
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  for (int met = 0; MPI_Test(&barrier, &met, MPI_STATUS_IGNORE) == MPI_SUCCESS && met == 0;) {
    if (std::chrono::steady_clock::now() > deadline) {
      std::fprintf(stderr, "[rank %d of %d] %s.%s: peers are still inside the test, aborting\n",
                   rank_, size_, test.test_suite_name(), test.name());
      MPI_Abort(comm_, 1);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace fg::test
