#include <fg/engine/step_runner.hpp>

namespace fg::engine {

Work work_of(const arch::ModelConfig& config, const Microbatches& microbatches) {
  Work work;
  for (const auto& microbatch : microbatches)
    for (const data::Row& row : microbatch) {
      work.tokens += static_cast<std::int64_t>(row.ids.size());
      work.trained += row.trained;
      for (const std::int64_t length : row.lengths)
        work.attended_pairs += attended_pairs(config, length);
    }
  return work;
}

}  // namespace fg::engine
