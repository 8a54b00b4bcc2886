#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fg/base/error.hpp>
#include <fg/optim/numerics_guard.hpp>

namespace fg::optim {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string step_name(std::uint64_t step) {
  return "step " + std::to_string(step);
}

}  // namespace

void validate(const GuardOptions& options, bool gradients_kept) {
  if (!gradients_kept && (options.nan == NanPolicy::skip || options.spike == SpikePolicy::skip))
    fail(ExitCode::usage,
         "optimizer: nan: skip needs the gradients of a step kept, but here each weight is updated "
         "during the backward; take nan: stop or rollback, clip_mode: exact with a clip_norm, "
         "or more than one microbatch a step");
  if (!(options.spike_sigmas > 0) || !(options.spike_ratio > 1) || options.window < 4)
    fail(ExitCode::usage,
         "optimizer: a spike needs sigmas above 0, a ratio above 1 and a window of at "
         "least 4 losses");
}

Decision NumericsGuard::judge(const StepReport& report) {
  if (!std::isfinite(report.loss) || !std::isfinite(report.norm)) {
    const std::string finding = step_name(report.step) + ": loss " + number(report.loss) +
                                ", gradient norm " + number(report.norm);
    if (report.gradients_kept && !report.replayed)
      return {Action::replay, finding + "; running the step again"};
    return apply(options_.nan, report, finding);
  }
  const std::string spike = spike_in(report.loss);
  Decision decision;
  if (!spike.empty()) {
    const std::string finding = step_name(report.step) + ": " + spike;
    switch (options_.spike) {
      case SpikePolicy::warn:
        decision = {Action::proceed, finding};
        break;
      case SpikePolicy::stop:
        return apply(NanPolicy::stop, report, finding);
      case SpikePolicy::skip:
        return apply(NanPolicy::skip, report, finding);
      case SpikePolicy::rollback:
        return apply(NanPolicy::rollback, report, finding);
    }
  }
  if (report.replayed)
    decision.message = step_name(report.step) +
                       ": not finite at first, finite when run again: a transient fault of this "
                       "machine";
  memory_.losses.push_back(report.loss);
  if (memory_.losses.size() > options_.window) memory_.losses.pop_front();
  return decision;
}

Decision NumericsGuard::apply(NanPolicy policy, const StepReport& report,
                              const std::string& finding) {
  switch (policy) {
    case NanPolicy::stop:
      break;
    case NanPolicy::skip:
      return skip(report, finding);
    case NanPolicy::rollback:
      return roll_back(report, finding);
  }
  return {Action::stop, finding};
}

Decision NumericsGuard::skip(const StepReport& report, const std::string& finding) {
  std::deque<std::uint64_t>& skipped = memory_.skipped;
  while (!skipped.empty() && skipped.front() + options_.skip_span <= report.step)
    skipped.pop_front();
  if (!report.gradients_kept || skipped.size() >= options_.most_skips)
    return {Action::stop,
            finding + (report.gradients_kept
                           ? "; " + std::to_string(skipped.size()) + " steps skipped in the last " +
                                 std::to_string(options_.skip_span) + " already"
                           : "; weights have changed, so it cannot be skipped")};
  skipped.push_back(report.step);
  return {Action::skip, finding + "; skipped"};
}

Decision NumericsGuard::roll_back(const StepReport& report, const std::string& finding) {
  if (memory_.rollback_step != report.step) memory_.rollbacks = 0;
  memory_.rollback_step = report.step;
  if (memory_.rollbacks >= options_.most_rollbacks)
    return {Action::stop, finding + "; rolled back " + std::to_string(memory_.rollbacks) +
                              " times for this step already"};
  ++memory_.rollbacks;
  return {Action::rollback, finding + "; going back to the last checkpoint"};
}

std::string NumericsGuard::spike_in(double loss) const {
  const std::deque<double>& losses = memory_.losses;
  if (losses.size() < options_.window / 4) return "";
  const auto count = static_cast<double>(losses.size());
  double sum = 0;
  for (const double value : losses) sum += value;
  const double mean = sum / count;
  double squares = 0;
  for (const double value : losses) squares += (value - mean) * (value - mean);
  // A loss that hardly moves has next to no deviation: one per cent of the mean is no spike.
  const double sigma = std::max(std::sqrt(squares / count), std::abs(mean) * 0.01);
  std::vector<double> sorted(losses.begin(), losses.end());
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  if (loss > mean + options_.spike_sigmas * sigma || loss > options_.spike_ratio * *middle)
    return "loss " + number(loss) + " is a spike (mean of the last " +
           std::to_string(losses.size()) + " " + number(mean) + ", median " + number(*middle) + ")";
  return "";
}

}  // namespace fg::optim
