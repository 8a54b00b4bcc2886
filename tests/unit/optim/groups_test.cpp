#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/optim/groups.hpp>
#include <fg/test/expect_error.hpp>

namespace fg::optim {
namespace {

using test::expect_error;

const std::vector<Parameter> model = {
    {"model.embed_tokens.weight", {100, 64}, at::kBFloat16},
    {"model.layers.0.self_attn.q_proj.weight", {64, 64}, at::kBFloat16},
    {"model.layers.0.self_attn.q_proj.bias", {64}, at::kBFloat16},
    {"model.layers.0.input_layernorm.weight", {64}, at::kBFloat16},
    {"model.norm.weight", {64}, at::kBFloat16},
    {"lm_head.weight", {100, 64}, at::kBFloat16}};

const Settings base = {{"type", std::string("adafactor")}, {"lr", 1e-4}, {"clip_threshold", 0.5}};

std::string text(const char* word) {
  return word;
}

TEST(Groups, TheFirstRegexThatIsFoundTakesTheParameter) {
  const std::vector<Group> groups = {
      {"head", "^lm_head", {{"lr", 1e-5}}},
      {"no_decay", "norm|bias|embed|lm_head", {{"weight_decay", std::int64_t{0}}}}};
  const Assignments result = assign_groups(base, groups, model);
  std::vector<std::string> taken;
  for (const Assignment& assignment : result.of_parameters) taken.push_back(assignment.group);
  EXPECT_EQ(taken, (std::vector<std::string>{"no_decay", "default", "no_decay", "no_decay",
                                             "no_decay", "head"}));
  EXPECT_EQ(result.of_parameters[5].options.lr, 1e-5);
  EXPECT_EQ(result.of_parameters[5].options.weight_decay, OptimizerOptions{}.weight_decay);
  EXPECT_EQ(result.of_parameters[0].options.lr, 1e-4);
  EXPECT_EQ(result.of_parameters[0].options.weight_decay, 0);
  EXPECT_EQ(result.of_parameters[0].options.clip_threshold, 0.5);
  EXPECT_TRUE(result.shadowed.empty());
}

TEST(Groups, AnotherOptimizerKeepsOnlyWhatAllHave) {
  const std::vector<Group> groups = {
      {"matrices", "_proj\\.weight$", {{"type", text("adamw4bit")}, {"beta1", 0.8}}}};
  const Assignments result = assign_groups(base, groups, model);
  const OptimizerOptions& options = result.of_parameters[1].options;
  EXPECT_EQ(options.type, OptimizerType::adamw4bit);
  EXPECT_EQ(options.lr, 1e-4);
  EXPECT_EQ(options.beta1, 0.8);
  EXPECT_EQ(result.of_parameters[0].options.type, OptimizerType::adafactor);
  // A setting of the old type named again in the group is a mistake.
  expect_error(ExitCode::usage, {"optimizer_groups.matrices", "no option 'clip_threshold'"}, [&] {
    assign_groups(
        base,
        std::vector<Group>{{"matrices", "proj", {{"type", text("sgd")}, {"clip_threshold", 1.0}}}},
        model);
  });
}

TEST(Groups, EveryMistakeIsNamed) {
  const std::vector<Group> groups = {{"a", "lm_haed", {}},
                                     {"b", "norm(", {}},
                                     {"c", "norm", {{"lrr", 1.0}}},
                                     {"d", "", {}},
                                     {"e", "norm", {{"lr", -1.0}}}};
  expect_error(
      ExitCode::usage,
      {"optimizer_groups.a: the regex 'lm_haed' is found in none", "did you mean 'lm_head'?",
       "optimizer_groups.b: the regex 'norm(' is wrong at letter 6",
       "optimizer_groups.c: no optimizer has an option 'lrr'; did you mean 'lr'?",
       "optimizer_groups.d: no regex", "optimizer_groups.e: lr is -1"},
      [&] { assign_groups(base, groups, model); });
}

TEST(Groups, ARegexThatBacktracksWithoutEndIsAnErrorNotAHang) {
  const std::vector<Parameter> names = {{std::string(60, 'a') + "b", {1}}};
  expect_error(ExitCode::usage, {"optimizer_groups.slow", "backtracking"}, [&] {
    assign_groups(base, std::vector<Group>{{"slow", "^(a+)+$", {}}}, names);
  });
  expect_error(ExitCode::usage, {"letters"}, [&] {
    assign_groups(base, std::vector<Group>{{"long", std::string(5000, 'a'), {}}}, names);
  });
}

TEST(Groups, AGroupWhoseNamesAreAllTakenIsReported) {
  const std::vector<Group> groups = {{"all", ".", {}}, {"head", "lm_head", {{"lr", 1.0}}}};
  const Assignments result = assign_groups(base, groups, model);
  EXPECT_EQ(result.shadowed, std::vector<std::string>{"head"});
  EXPECT_NE(groups_table(result).find("head: empty"), std::string::npos);
}

TEST(Groups, NullRemovesAnInheritedGroupAndOthersKeepTheirPlace) {
  const std::vector<Group> inherited = {{"no_decay", "norm|bias", {{"weight_decay", 0.0}}},
                                        {"head", "lm_head", {{"lr", 1e-5}}},
                                        {"embed", "embed", {}}};
  Group removed{"embed", "", {}};
  removed.removed = true;
  const std::vector<Group> nearer = {
      {"extra", "q_proj", {}}, {"no_decay", "", {{"lr", 2e-5}}}, removed};
  const std::vector<Group> expected = {
      {"no_decay", "norm|bias", {{"weight_decay", 0.0}, {"lr", 2e-5}}},
      {"head", "lm_head", {{"lr", 1e-5}}},
      {"extra", "q_proj", {}}};
  EXPECT_EQ(inherit_groups(inherited, nearer), expected);

  removed.name = "no_decy";
  expect_error(ExitCode::usage, {"optimizer_groups.no_decy", "did you mean 'no_decay'?"},
               [&] { inherit_groups(inherited, std::vector<Group>{removed}); });
}

TEST(Groups, TheTableShowsGroupOptimizerStateAndBytes) {
  const std::vector<Group> groups = {
      {"no_decay", "norm|bias", {{"weight_decay", std::int64_t{0}}, {"type", text("adamw8bit")}}}};
  const std::string table = groups_table(assign_groups(base, groups, model));
  EXPECT_NE(table.find("parameter"), std::string::npos);
  EXPECT_NE(table.find("lm_head.weight                          100 x 64  default   adafactor  "
                       "0.0001  0.01   row, col float32    664"),
            std::string::npos)
      << table;
  EXPECT_NE(table.find("m, v bfloat16       264"), std::string::npos) << table;
  EXPECT_NE(table.find("no_decay: 3 tensors, 192 parameters, 792 bytes of state"),
            std::string::npos)
      << table;
  EXPECT_NE(table.find("all: 6 tensors, 17,088 parameters"), std::string::npos) << table;
}

}  // namespace
}  // namespace fg::optim
