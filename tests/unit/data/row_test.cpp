#include <gtest/gtest.h>

#include <fg/data/row.hpp>

#include "tiny_model.hpp"

namespace fg::data {
namespace {

TEST(Row, PredictsWithinDocumentsOnly) {
  const test::PreparedText prepared("{\"text\": \"xz\"}\n{\"text\": \"c\"}\n");
  const TokenSet& set = prepared.set();
  const EpochPlan plan(set, {.seq_len = 16}, 0, 0, false);
  ASSERT_EQ(plan.rows(), 1u);
  const Row row = make_row(set, plan, 0);

  const auto xz = set.document(0).ids, c = set.document(1).ids;
  ASSERT_EQ(xz.size(), 4u);  // <s> x z <|im_end|>
  ASSERT_EQ(c.size(), 3u);
  EXPECT_EQ(row.ids, (std::vector<std::int64_t>{xz[0], xz[1], xz[2], xz[3], c[0], c[1], c[2]}));
  EXPECT_EQ(row.targets, (std::vector<std::int64_t>{xz[1], xz[2], xz[3], -1, c[1], c[2], -1}));
  EXPECT_EQ(row.lengths, (std::vector<std::int64_t>{4, 3}));
  EXPECT_EQ(row.trained, 5);
}

TEST(Row, LeavesOutWhatIsNotTrained) {
  Options options;
  options.train_on = TrainOn::assistant;
  const test::PreparedText prepared(
      R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "ok"}]})",
      options);
  const TokenSet& set = prepared.set();
  const Row row = make_row(set, EpochPlan(set, {.seq_len = 4096}, 0, 0, true), 0);

  const auto ids = set.document(0).ids;
  std::vector<std::int64_t> expected(ids.size(), -1);
  for (std::size_t at = ids.size() - 5; at < ids.size() - 2; ++at) expected[at] = ids[at + 1];
  EXPECT_EQ(row.targets, expected);  // o, k and <|im_end|>; the line's end is not trained
  EXPECT_EQ(row.trained, 3);
}

TEST(Row, HoldsEveryTrainedTokenOfAnEpochOnce) {
  const test::PreparedText prepared(test::lines_of_lengths({30, 3, 9, 14, 7, 7, 22, 1, 5}));
  const TokenSet& set = prepared.set();
  std::int64_t trained = 0;
  std::size_t documents = 0;
  const EpochPlan plan(set, {.seq_len = 40}, 3, 1, true);
  for (std::size_t row = 0; row < plan.rows(); ++row) {
    const Row made = make_row(set, plan, row);
    EXPECT_EQ(made.trained, plan.trained_tokens(row));
    EXPECT_EQ(made.ids.size(), made.targets.size());
    trained += made.trained;
    documents += made.lengths.size();
  }
  EXPECT_EQ(trained, static_cast<std::int64_t>(set.counts().trained_tokens));
  EXPECT_EQ(documents, set.size());
}

}  // namespace
}  // namespace fg::data
