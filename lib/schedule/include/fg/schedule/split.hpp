#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace fg::schedule {

/// What a model costs, in any unit: the embedding goes with the first stage, the head with the
/// last.
struct ModelCost {
  double embedding = 0;
  std::vector<double> layers;
  double head = 0;
};

/// Consecutive layers for each stage.
struct Split {
  std::vector<int> first_layer;  // of each stage, then the number of layers
  std::vector<double> cost;      // of each stage, divided by its rank's speed

  int stages() const { return static_cast<int>(cost.size()); }
  int layers(int stage) const {
    const auto place = static_cast<std::size_t>(stage);
    return first_layer[place + 1] - first_layer[place];
  }
  double slowest() const;
  /// Mean over slowest stage: the share of the time that the split leaves the ranks busy.
  double balance() const;
};

inline constexpr int max_layers = 1024;

/// The split whose slowest stage is as fast as can be, exactly; of those the most even one (least
/// sum of squares). `rank_of_stage` is the placement; `rank_speed` is relative (1, 1, 0.5: the last
/// rank takes twice as long), empty for ranks alike. Every stage gets a layer. Error(usage) with
/// both numbers if there are fewer layers than stages, or speeds than ranks; for costs that are no
/// numbers of at least 0, speeds not above 0, and more than `max_layers`.
Split split_by_cost(const ModelCost& model, const std::vector<int>& rank_of_stage,
                    const std::vector<double>& rank_speed = {});

/// The split that the user gives as each stage's number of layers. Error(usage) with both numbers
/// unless there is one for each stage, at least 1, and they add up.
Split split_as_given(const std::vector<int>& layers_of_stage, const ModelCost& model,
                     const std::vector<int>& rank_of_stage,
                     const std::vector<double>& rank_speed = {});

/// One line a stage, with rank, layers, cost and its share of the slowest.
std::string to_string(const Split& split, const std::vector<int>& rank_of_stage);

}  // namespace fg::schedule
