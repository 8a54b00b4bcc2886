#include "curve.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/units.hpp>
#include <fg/configured/learning_rate.hpp>
#include <fg/optim/schedule_json.hpp>

namespace fg::config_app {
namespace {

struct Point {
  std::uint64_t step = 0;
  double rate = 0;
};

/// At most so many steps of the run, evenly, from the first to the last.
std::vector<Point> sample(const Curve& curve, std::uint64_t most) {
  const std::uint64_t last = curve.steps - 1;
  const std::uint64_t parts = std::max<std::uint64_t>(1, std::min(last, most - 1));
  std::vector<Point> points;
  for (std::uint64_t part = 0; part <= std::min(parts, last); ++part) {
    const std::uint64_t step = last / parts * part + last % parts * part / parts;
    points.push_back({step, curve.schedule.lr(step)});
  }
  return points;
}

double highest(const std::vector<Point>& points) {
  double rate = 0;
  for (const Point& point : points) rate = std::max(rate, point.rate);
  return rate;
}

std::string short_number(double value, int digits) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*g", digits, value);
  return text.data();
}

std::string title(const Curve& curve) {
  return curve.type + " over " + with_thousands(curve.steps) +
         (curve.steps == 1 ? " step" : " steps") + " of " + with_thousands(curve.tokens_per_step) +
         " tokens";
}

constexpr int width = 720;
constexpr int height = 360;
constexpr int left = 110;
constexpr int right = width - 20;
constexpr int top = 40;
constexpr int bottom = height - 40;

std::string label(int x, int y, const char* anchor, const std::string& text) {
  return "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" text-anchor=\"" +
         anchor + "\">" + text + "</text>\n";
}

/// The curve's points in the picture, for a polyline.
std::string places(const std::vector<Point>& points, std::uint64_t last, double peak) {
  std::string text;
  for (const Point& point : points) {
    const double along =
        last == 0 ? 0 : static_cast<double>(point.step) / static_cast<double>(last);
    const double up = peak > 0 ? point.rate / peak : 0;
    std::array<char, 64> place{};
    std::snprintf(place.data(), place.size(), "%.1f,%.1f ", left + along * (right - left),
                  bottom - up * (bottom - top));
    text += place.data();
  }
  if (!text.empty()) text.pop_back();
  return text;
}

}  // namespace

Curve curve_of(const config::Configuration& configuration, std::int64_t ranks) {
  using configured::as_unsigned;
  const optim::TokenBudget budget =
      configured::budget_of(configuration, configured::batch_of(configuration, ranks));
  optim::validate(budget);
  const std::uint64_t tokens = optim::tokens_per_step(budget);
  const optim::OptimizerOptions optimizer =
      optim::read_options(configured::settings_of(configuration.optimizer.settings), "optimizer");
  const auto steps = optim::most_steps(as_unsigned(configuration.train.max_steps),
                                       as_unsigned(configuration.train.max_tokens), tokens);
  if (!steps)
    fail(ExitCode::usage,
         "how many steps train.epochs makes depends on the data (fg-train CONFIG --plan counts "
         "them): give --max-steps N, or set train.max_steps or train.max_tokens");
  const optim::ScheduleOptions schedule = configured::schedule_of(configuration.lr_schedule);
  return {.type = optim::to_json(schedule)["type"].get<std::string>(),
          .steps = *steps,
          .tokens_per_step = tokens,
          .schedule = {schedule, optim::scaled_lr(budget, optimizer.lr), tokens, *steps}};
}

std::string curve_text(const Curve& curve) {
  constexpr double bar_width = 50;
  const std::vector<Point> points = sample(curve, 26);
  const double peak = highest(points);
  const auto step_width = static_cast<int>(with_thousands(points.back().step).size());
  std::string text = title(curve) + "\n";
  for (const Point& point : points) {
    const double cells = peak > 0 ? std::round(point.rate / peak * bar_width) : 0;
    std::array<char, 96> line{};
    std::snprintf(line.data(), line.size(), "step %*s  lr %-12s %s", step_width,
                  with_thousands(point.step).c_str(), short_number(point.rate, 6).c_str(),
                  std::string(static_cast<std::size_t>(cells), '#').c_str());
    std::string whole = line.data();
    whole.erase(whole.find_last_not_of(' ') + 1);
    text += whole + "\n";
  }
  return text;
}

std::string curve_svg(const Curve& curve) {
  const std::vector<Point> points = sample(curve, 601);
  const double peak = highest(points);
  const std::uint64_t last = points.back().step;
  const std::string x0 = std::to_string(left), y0 = std::to_string(bottom);
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(width) +
         "\" height=\"" + std::to_string(height) +
         "\" font-family=\"monospace\" font-size=\"13\">\n" + "<path d=\"M " + x0 + " " +
         std::to_string(top) + " V " + y0 + " H " + std::to_string(right) +
         "\" fill=\"none\" stroke=\"#56657a\"/>\n<polyline points=\"" + places(points, last, peak) +
         "\" fill=\"none\" stroke=\"#2c5fa8\" stroke-width=\"2\"/>\n" +
         label(left, top - 16, "start", "lr: " + title(curve)) +
         label(left - 8, top + 5, "end", short_number(peak, 4)) +
         label(left - 8, bottom + 5, "end", "0") + label(left, bottom + 20, "middle", "step 0") +
         label(right, bottom + 20, "end", "step " + with_thousands(last)) + "</svg>\n";
}

}  // namespace fg::config_app
