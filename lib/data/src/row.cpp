#include <fg/base/error.hpp>
#include <fg/data/row.hpp>

namespace fg::data {

Row make_row(const TokenSet& set, const EpochPlan& plan, std::size_t row) {
  Row made;
  const auto size = static_cast<std::size_t>(plan.tokens(row));
  made.ids.reserve(size);
  made.targets.reserve(size);
  for (const std::uint32_t index : plan.documents(row)) {
    const Document document = set.document(index);
    made.lengths.push_back(static_cast<std::int64_t>(document.ids.size()));
    made.ids.insert(made.ids.end(), document.ids.begin(), document.ids.end());
    for (std::size_t next = 1; next < document.ids.size(); ++next) {
      const bool trained = document.trained[next] != 0;
      made.targets.push_back(trained ? std::int64_t{document.ids[next]} : -1);
      made.trained += trained ? 1 : 0;
    }
    made.targets.push_back(-1);  // nothing follows the last token of a document
  }
  FG_CHECK(made.trained == plan.trained_tokens(row));
  return made;
}

}  // namespace fg::data
