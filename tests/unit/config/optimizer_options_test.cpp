#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include <fg/config/keys.hpp>
#include <fg/optim/options.hpp>

namespace fg::config {
namespace {

using optim::OptimizerType;

constexpr OptimizerType types[] = {OptimizerType::adafactor, OptimizerType::adamw,
                                   OptimizerType::adamw8bit, OptimizerType::adamw4bit,
                                   OptimizerType::sgd};

using Names = std::set<std::string>;

Names set_of(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

// lib/config knows the options by name and kind, lib/optim by what they do.
TEST(OptimizerOptions, HaveTheNamesThatTheOptimizersKnow) {
  Names known;
  for (const OptimizerType type : types) known.merge(set_of(optim::option_names(type)));
  EXPECT_EQ(set_of(optimizer_option_names()), known);
}

TEST(OptimizerOptions, AreCommonWhereEveryTypeHasThem) {
  for (const std::string& name : optimizer_option_names()) {
    const Key* key = find_key("optimizer." + name);
    ASSERT_NE(key, nullptr) << name;
    const bool all_have = std::all_of(std::begin(types), std::end(types), [&](OptimizerType type) {
      return set_of(optim::option_names(type)).contains(name);
    });
    EXPECT_EQ(key->option == OptimizerOption::common, all_have) << name;
    EXPECT_EQ(optim::is_common_option(name), all_have) << name;
  }
}

TEST(OptimizerOptions, ChooseAmongTheSameTypes) {
  Names names;
  for (const OptimizerType type : types) names.emplace(optim::to_string(type));
  EXPECT_EQ(set_of(find_key("optimizer.type")->choices), names);
}

}  // namespace
}  // namespace fg::config
