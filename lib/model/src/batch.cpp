#include "fg/model/batch.hpp"

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

namespace fg::model {

void next_token_targets(std::span<const std::int64_t> ids, const ops::Documents& documents,
                        std::span<const std::uint8_t> is_trained, std::span<std::int64_t> targets) {
  static const bool runs_on = fault_planted("model.target_of_next_document");
  const auto tokens = static_cast<std::size_t>(documents.tokens());
  FG_CHECK(ids.size() == tokens && is_trained.size() == tokens && targets.size() == tokens);
  for (std::size_t document = 0; document + 1 < documents.starts().size(); ++document) {
    const auto first = static_cast<std::size_t>(documents.starts()[document]);
    const auto last = static_cast<std::size_t>(documents.starts()[document + 1]);
    for (std::size_t row = first; row < last; ++row) {
      const bool has_next = runs_on ? row + 1 < tokens : row + 1 < last;
      targets[row] = has_next && is_trained[row + 1] != 0 ? ids[row + 1] : -1;
    }
  }
}

}  // namespace fg::model
