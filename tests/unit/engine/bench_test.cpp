#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <fg/device/timer.hpp>
#include <fg/engine/bench.hpp>

#include "bench_phases.hpp"
#include "bench_tokens.hpp"

using namespace fg;
using fg::engine::phase_of_kernel;

TEST(BenchPhases, KnowsKernelsByTheirNames) {
  EXPECT_EQ(phase_of_kernel("nvjet_hsh_256x128_64x4_1x2_h_bz_coopA_NNT"), "gemm");
  EXPECT_EQ(phase_of_kernel("void cutlass::Kernel2<cutlass_80_wmma_tensorop_bf16>"), "gemm");
  EXPECT_EQ(phase_of_kernel("void pytorch_flash::flash_bwd_kernel<cutlass::bfloat16_t>"),
            "attention");
  EXPECT_EQ(phase_of_kernel("cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma"),
            "attention");
  EXPECT_EQ(phase_of_kernel("fg::optim::kernels::adafactor_update<nv_bfloat16>"), "optimizer");
  EXPECT_EQ(phase_of_kernel("fg::ops::kernels::cross_entropy_rows"), "loss");
  EXPECT_EQ(phase_of_kernel("fg::ops::kernels::rms_norm_forward"), "elementwise");
  EXPECT_EQ(phase_of_kernel("Memcpy HtoD (Pinned -> Device)"), "copy");
}

TEST(BenchPhases, SumsWorkAndCountsTheTimeInWhichThereWasNone) {
  const std::vector<device::KernelSpan> spans{{"gemm", 1'000, 3'000},
                                              {"Memcpy DtoH", 2'000, 2'500},  // beside it
                                              {"rms_norm", 4'000, 4'250},
                                              {"gemm", 4'250, 5'000}};
  const auto phases = engine::phases_of(spans);
  const std::vector<std::pair<std::string, double>> expected{
      {"gemm", 2.75e-6}, {"attention", 0}, {"elementwise", 0.25e-6}, {"loss", 0}, {"optimizer", 0},
      {"copy", 0.5e-6},  {"idle", 1e-6}};
  ASSERT_EQ(phases.size(), expected.size());
  for (std::size_t index = 0; index < expected.size(); ++index) {
    EXPECT_EQ(phases[index].first, expected[index].first);
    EXPECT_NEAR(phases[index].second, expected[index].second, 1e-12) << expected[index].first;
  }
  EXPECT_TRUE(engine::phases_of({}).empty());
}

TEST(BenchTokens, CutsRowsIntoAsManyDocumentsAsAsked) {
  engine::BenchTask task;
  task.config.vocab_size = 50;
  task.rows = 3;
  task.length = 20;
  task.documents = 4;
  engine::BenchTokens tokens(task);
  for (int round = 0; round < 20; ++round) {
    const auto rows = tokens.next();
    ASSERT_EQ(rows.lengths.size(), 12u);
    for (std::size_t row = 0; row < 3; ++row) {
      std::int64_t sum = 0;
      for (std::size_t part = 0; part < 4; ++part) {
        EXPECT_GT(rows.lengths[4 * row + part], 0);
        sum += rows.lengths[4 * row + part];
      }
      EXPECT_EQ(sum, 20) << "row " << row;
    }
    std::int64_t trained = 0;
    for (const std::int64_t target : rows.targets) trained += target >= 0 ? 1 : 0;
    EXPECT_EQ(trained, 60 - 12) << "the last token of each document predicts nothing";
  }
}

TEST(Laps, AddsUpWhatLiesBetweenBeginAndEnd) {
  using namespace std::chrono_literals;
  device::Laps laps(at::kCPU);
  EXPECT_EQ(laps.seconds(), 0);
  const auto begun = std::chrono::steady_clock::now();
  for (int lap = 0; lap < 2; ++lap) {
    laps.begin();
    std::this_thread::sleep_for(10ms);
    laps.end();
    std::this_thread::sleep_for(20ms);
  }
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - begun;
  EXPECT_GE(laps.seconds(), 0.02);
  EXPECT_LE(laps.seconds(), whole.count() - 0.04);
}

TEST(Timer, MeasuresBetweenMarks) {
  device::Timer timer(at::kCPU);
  EXPECT_TRUE(timer.seconds().empty());
  timer.mark();
  timer.mark();
  timer.mark();
  ASSERT_EQ(timer.seconds().size(), 2u);
  for (const double seconds : timer.seconds()) EXPECT_GE(seconds, 0);
}
