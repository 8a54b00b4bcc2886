#include <gtest/gtest.h>

#include <fg/config/keys.hpp>
#include <fg/config/write.hpp>
#include <fg/test/expect_error.hpp>

#include "files.hpp"

namespace fg::config {
namespace {

using test::expect_error;

const char* const rich =
    "model: {path: ~/m, init: random}\n"
    "data:\n"
    "  path: [{path: 'a b: #c.jsonl', weight: 0.1}, \"q\\\"uote\\\\s\"]\n"
    "  split: 'train[:95%]'\n"
    "train: {batch_size: 4, seed: 18446744073709551615, max_tokens: 560M}\n"
    "parallel: {split: [8, 8], trainer_is_no_key: null}\n"
    "optimizer: {type: adamw, lr: 0.1, beta2: 0.95, stochastic_rounding: true}\n"
    "optimizer_groups: {b: {regex: \"no|\\n\\td\", lr: 1e-5}, a: {regex: '^x${y}'}}\n"
    "lr_schedule: {warmup: 56M tokens, min_lr: 0.00001}\n"
    "checkpoint: {save_strategy: no}\n"
    "comm: {interface: 'true', simulate_link: '10'}\n";

std::string rich_text() {
  std::string text = rich;
  text.replace(text.find(", trainer_is_no_key: null"), 25, "");
  text.replace(text.find("^x${y}"), 6, "^x$${y}");
  return text;
}

TEST(Write, GivesAFileThatLoadsToTheSameConfiguration) {
  Files files;
  files.environment = {{"HOME", "/home/me"}};
  files.write("a.yaml", rich_text());
  const Loaded loaded = files.load("a.yaml");
  for (const std::string& text :
       {to_yaml(loaded.values), to_yaml(loaded.values, true), to_yaml(loaded.configuration)}) {
    files.write("b.yaml", text);
    EXPECT_EQ(files.read("b.yaml"), loaded.configuration) << text;
  }
  files.write("default.yaml", to_yaml(Configuration{}));
  EXPECT_EQ(files.read("default.yaml"), Configuration{});
}

TEST(Write, TellsWhereEachValueComesFrom) {
  Files files;
  files.write("a.yaml", "train:\n  seed: 5\n");
  const std::string text = to_yaml(files.load("a.yaml", {"train.epochs=2"}).values, true);
  EXPECT_NE(text.find("# " + files.at("a.yaml") + ":2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("# --set train.epochs\n"), std::string::npos) << text;
  EXPECT_NE(text.find("# default\n"), std::string::npos) << text;
}

TEST(Write, ComparesWithoutWhatHostsMayDifferIn) {
  Files files;
  files.write("a.yaml", "data: {path: [{path: a, weight: 2}]}\ncomm: {interface: eth0}\n");
  files.write("x/a.yaml", "data: {path: [{path: b, weight: 2}]}\nlog: {tensorboard: no}\n");
  const Json one = comparable_json(files.read("a.yaml"));
  const Json two = comparable_json(files.read("x/a.yaml"));
  EXPECT_EQ(one.dump(), two.dump());
  EXPECT_TRUE(difference(one, two).empty());
  EXPECT_NE(to_json(files.read("a.yaml")), to_json(files.read("x/a.yaml")));

  const Json third = comparable_json(
      files.read("a.yaml", {"optimizer.lr=0.5", "train.seed=3", "data.path=[a, b]"}));
  const auto differences = difference(one, third);
  ASSERT_EQ(differences.size(), 3u);
  EXPECT_EQ(differences[0].key, "train.seed");
  EXPECT_EQ(differences[0].before, "42");
  EXPECT_EQ(differences[0].after, "3");
  EXPECT_EQ(differences[1].key, "optimizer.lr");
  EXPECT_EQ(differences[1].before, "");
  EXPECT_EQ(differences[2].key, "data.path.weight");
  EXPECT_EQ(difference(third, one)[1].key, "data.path.weight");
}

TEST(Write, SeesThatGroupsChangedTheirOrder) {
  Files files;
  files.write("a.yaml", "optimizer_groups: {a: {regex: x}, b: {regex: y}}\n");
  files.write("b.yaml", "optimizer_groups: {b: {regex: y}, a: {regex: x}}\n");
  const auto differences = difference(to_json(files.read("a.yaml")), to_json(files.read("b.yaml")));
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].key, "optimizer_groups");
}

TEST(Keys, HaveEachAPathHelpAndAMeaningWhenNotSet) {
  const Configuration standard;
  for (const Key& key : keys()) {
    EXPECT_EQ(find_key(key.path), &key) << "twice: " << key.path;
    EXPECT_FALSE(key.help.empty()) << key.path;
    const bool has_default = key.write(standard).kind != Node::Kind::null;
    const bool is_option = key.option != OptimizerOption::no;
    EXPECT_TRUE(is_option || has_default == key.unset.empty() || key.path == "train.batch_size")
        << key.path;
  }
}

TEST(BatchPlan, DividesRowsAmongReplicasAndMicrobatches) {
  Train train;
  train.global_batch_size = 12;
  train.microbatch_size = 2;
  const BatchPlan plan = batch_plan(train, 3);
  EXPECT_EQ(plan.global_rows, 12);
  EXPECT_EQ(plan.microbatches, 2);
  EXPECT_EQ(batch_plan(train, 4).microbatches, 2) << "some replicas have one, some two";
  EXPECT_EQ(batch_plan(train, 6).microbatches, 1);

  train.global_batch_size.reset();
  train.batch_size = 6;
  EXPECT_EQ(batch_plan(train, 5).global_rows, 30);
  EXPECT_EQ(batch_plan(train, 5).microbatches, 3);
}

TEST(BatchPlan, RefusesWithBothNumbers) {
  Train train;
  train.global_batch_size = 4;
  expect_error(ExitCode::usage,
               "train.global_batch_size 4 cannot be divided by train.microbatch_size 3", [&] {
                 train.microbatch_size = 3;
                 batch_plan(train, 1);
               });
  train.microbatch_size = 2;
  expect_error(ExitCode::usage,
               "train.global_batch_size 4 gives 2 microbatches (of train.microbatch_size 2), too "
               "few for 3 replicas",
               [&] { batch_plan(train, 3); });
}

}  // namespace
}  // namespace fg::config
