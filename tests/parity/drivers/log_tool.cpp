// log_tool FOLDER FIRST LAST [RESUMED_AT]: writes metrics and TensorBoard's events of steps FIRST
// to LAST, with a sample and an evaluation at each tenth; the loss is the step.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>

#include <fg/log/metrics.hpp>
#include <fg/log/tensorboard.hpp>

int main(int count, char** words) {
  try {
    if (count < 4) return 2;
    const std::filesystem::path folder = words[1];
    const std::int64_t last = std::atoll(words[3]);
    std::optional<std::int64_t> resumed_at;
    if (count > 4) resumed_at = std::atoll(words[4]);

    fg::log::MetricsLog metrics(folder, resumed_at);
    fg::log::EventFile events(folder / "tb", resumed_at);
    for (std::int64_t step = std::atoll(words[2]); step <= last; ++step) {
      const auto value = static_cast<double>(step);
      const fg::log::TrainRecord train{.step = step,
                                       .epoch = value / 100,
                                       .loss = value,
                                       .grad_norm = value / 2,
                                       .lr = 1e-5,
                                       .tokens = 10 * step,
                                       .trained_tokens = 5 * step,
                                       .tokens_per_second = 1000,
                                       .mfu = 0.5,
                                       .memory_gib = {1, 2},
                                       .data_wait_s = 0};
      metrics.write(train);
      write(events, train);
      if (step % 10 != 0) continue;
      const fg::log::EvalRecord eval{
          .step = step, .eval_loss = 2, .eval_perplexity = 7.389, .eval_tokens = 64};
      metrics.write(eval);
      write(events, eval);
      write_sample(events, step, 0,
                   "# not a heading\nmy name is <b>Samantha</b>, \xC3\xA9t\xC3\xA9\n");
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
