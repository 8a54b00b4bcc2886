#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>

#include <fg/base/error.hpp>
#include <fg/schedule/split.hpp>

namespace fg::schedule {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

bool is_cost(double value) {
  return std::isfinite(value) && value >= 0;
}

/// What a run of layers costs as a stage.
class StageCosts {
public:
  StageCosts(const ModelCost& model, const std::vector<int>& rank_of_stage,
             const std::vector<double>& rank_speed)
      : model_(model),
        layers_(static_cast<int>(model.layers.size())),
        stages_(static_cast<int>(rank_of_stage.size())),
        sums_(1, 0.0) {
    check(rank_of_stage, rank_speed);
    for (const double layer : model.layers) sums_.push_back(sums_.back() + layer);
    for (const int rank : rank_of_stage)
      speed_.push_back(rank_speed.empty() ? 1 : rank_speed[rank]);
  }

  int layers() const { return layers_; }
  int stages() const { return stages_; }

  double of(int stage, int first, int end) const {
    double cost = sums_[end] - sums_[first];
    if (stage == 0) cost += model_.embedding;
    if (stage == stages_ - 1) cost += model_.head;
    return cost / speed_[stage];
  }

  Split split(const std::vector<int>& first_layer) const {
    Split result{first_layer, {}};
    for (int stage = 0; stage < stages_; ++stage)
      result.cost.push_back(of(stage, first_layer[stage], first_layer[stage + 1]));
    return result;
  }

private:
  void check(const std::vector<int>& rank_of_stage, const std::vector<double>& rank_speed) const {
    if (stages_ == 0) fail(ExitCode::usage, "a split needs at least one stage");
    if (layers_ > max_layers)
      fail(ExitCode::usage, std::to_string(layers_) + " layers; at most " +
                                std::to_string(max_layers) + " can be split");
    if (layers_ < stages_)
      fail(ExitCode::usage, std::to_string(layers_) + " layers for " + std::to_string(stages_) +
                                " stages; each needs one");
    const auto ranks = static_cast<std::size_t>(*std::ranges::max_element(rank_of_stage)) + 1;
    if (!rank_speed.empty() && rank_speed.size() != ranks)
      fail(ExitCode::usage,
           std::to_string(rank_speed.size()) + " speeds for " + std::to_string(ranks) + " ranks");
    const bool costs_good = is_cost(model_.embedding) && is_cost(model_.head) &&
                            std::ranges::all_of(model_.layers, is_cost);
    const bool speeds_good = std::ranges::all_of(
        rank_speed, [](double speed) { return std::isfinite(speed) && speed > 0; });
    if (!costs_good || !speeds_good)
      fail(ExitCode::usage, "costs must be numbers of at least 0, speeds of more than 0");
  }

  const ModelCost& model_;
  int layers_;
  int stages_;
  std::vector<double> sums_;   // of the layers before each
  std::vector<double> speed_;  // by stage
};

/// best[e]: the least value of the stages so far when they end before layer e. `join` adds a stage
/// to what came before it; a stage that costs more than `limit` is not taken.
template <typename Join>
std::vector<int> best_cut(const StageCosts& costs, double limit, Join join) {
  const int layers = costs.layers();
  const int stages = costs.stages();
  std::vector<double> best(static_cast<std::size_t>(layers) + 1, infinite);
  best[0] = 0;
  std::vector<std::vector<int>> cut(static_cast<std::size_t>(stages));
  for (int stage = 0; stage < stages; ++stage) {
    std::vector<double> longer(best.size(), infinite);
    cut[stage].resize(best.size());
    for (int end = stage + 1; end <= layers - (stages - 1 - stage); ++end)
      for (int first = end - 1; first >= stage; --first) {
        const double own = costs.of(stage, first, end);
        if (own > limit) break;
        const double value = join(best[first], own);
        if (value >= longer[end]) continue;
        longer[end] = value;
        cut[stage][end] = first;
      }
    best = std::move(longer);
  }
  std::vector<int> first_layer(static_cast<std::size_t>(stages) + 1, layers);
  for (int stage = stages - 1; stage >= 0; --stage)
    first_layer[stage] = cut[stage][first_layer[stage + 1]];
  return first_layer;
}

}  // namespace

double Split::slowest() const {
  return *std::ranges::max_element(cost);
}

double Split::balance() const {
  const double sum = std::accumulate(cost.begin(), cost.end(), 0.0);
  return slowest() > 0 ? sum / (slowest() * stages()) : 1;
}

Split split_by_cost(const ModelCost& model, const std::vector<int>& rank_of_stage,
                    const std::vector<double>& rank_speed) {
  const StageCosts costs(model, rank_of_stage, rank_speed);
  const auto slower = [](double before, double own) { return std::max(before, own); };
  const double limit = costs.split(best_cut(costs, infinite, slower)).slowest();
  const auto squares = [](double before, double own) { return before + own * own; };
  return costs.split(best_cut(costs, limit, squares));
}

Split split_as_given(const std::vector<int>& layers_of_stage, const ModelCost& model,
                     const std::vector<int>& rank_of_stage, const std::vector<double>& rank_speed) {
  const StageCosts costs(model, rank_of_stage, rank_speed);
  if (layers_of_stage.size() != rank_of_stage.size())
    fail(ExitCode::usage, "the split names " + std::to_string(layers_of_stage.size()) +
                              " stages, where the schedule has " +
                              std::to_string(rank_of_stage.size()));
  std::vector<int> first_layer{0};
  std::int64_t sum = 0;
  for (const int layers : layers_of_stage) {
    if (layers < 1)
      fail(ExitCode::usage, "the split gives stage " + std::to_string(first_layer.size() - 1) +
                                " " + std::to_string(layers) + " layers; each needs one");
    sum += layers;
    first_layer.push_back(static_cast<int>(std::min<std::int64_t>(sum, costs.layers())));
  }
  if (sum != costs.layers())
    fail(ExitCode::usage, "the split gives out " + std::to_string(sum) +
                              " layers, where the model has " + std::to_string(costs.layers()));
  return costs.split(first_layer);
}

std::string to_string(const Split& split, const std::vector<int>& rank_of_stage) {
  std::string text = "stage  rank  layers      count  cost      of the slowest\n";
  for (int stage = 0; stage < split.stages(); ++stage) {
    const double share = split.slowest() > 0 ? split.cost[stage] / split.slowest() : 1;
    const std::string range = std::to_string(split.first_layer[stage]) + "-" +
                              std::to_string(split.first_layer[stage + 1] - 1);
    const bool is_first = stage == 0;
    const bool is_last = stage == split.stages() - 1;
    char line[160];
    std::snprintf(line, sizeof line, "%5d  %4d  %-10s  %5d  %-8.4g  %3.0f %%%s%s\n", stage,
                  rank_of_stage[stage], range.c_str(), split.layers(stage), split.cost[stage],
                  100 * share, is_first ? "  + embedding" : "", is_last ? "  + head" : "");
    text += line;
  }
  char line[80];
  std::snprintf(line, sizeof line, "balance %.3f (mean over slowest stage)\n", split.balance());
  return text + line;
}

}  // namespace fg::schedule
