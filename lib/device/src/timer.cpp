#include "fg/device/timer.hpp"

#include "events.hpp"

namespace fg::device {

void Timer::mark() {
  if (device_.is_cpu())
    moments_.push_back(std::chrono::steady_clock::now());
  else
    events_.push_back(record_event());
}

std::vector<double> Timer::seconds() const {
  std::vector<double> seconds;
  for (std::size_t index = 1; index < moments_.size(); ++index)
    seconds.push_back(std::chrono::duration<double>(moments_[index] - moments_[index - 1]).count());
  if (!events_.empty()) wait_for(events_.back().get());
  for (std::size_t index = 1; index < events_.size(); ++index)
    seconds.push_back(seconds_between(events_[index - 1].get(), events_[index].get()));
  return seconds;
}

void Laps::begin() {
  if (device_.is_cpu())
    begun_ = std::chrono::steady_clock::now();
  else
    events_.push_back(record_event());
}

void Laps::end() {
  if (device_.is_cpu())
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  else
    events_.push_back(record_event());
}

double Laps::seconds() const {
  double sum = seconds_;
  for (std::size_t index = 1; index < events_.size(); index += 2)
    sum += seconds_between(events_[index - 1].get(), events_[index].get());
  return sum;
}

}  // namespace fg::device
