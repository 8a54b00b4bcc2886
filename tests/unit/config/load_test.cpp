#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>

#include "files.hpp"

namespace fg::config {
namespace {

using test::expect_error;

TEST(Load, GivesTheDefaultsWithoutAFile) {
  const Loaded loaded = Files().load("");
  EXPECT_EQ(loaded.configuration, Configuration{});
  EXPECT_EQ(origin_of(loaded, "train.seq_len"), "default");
  EXPECT_TRUE(loaded.files.empty());
}

TEST(Load, ReadsEveryKindOfValue) {
  Files files;
  files.write("a.yaml",
              "model: {path: /m, init: random, dtype: bfloat16}\n"
              "data:\n  path:\n    - one.jsonl\n    - {path: two, weight: 0.5}\n  pack: no\n"
              "train: {trainer: fsdp2, batch_size: 8, max_tokens: 2M, epochs: 1.5, seed: 7}\n"
              "parallel: {split: [8, 9], schedule: Schedule1F1B}\n"
              "optimizer:\n  type: adafactor\n  lr: 1e-4\n  weight_decay: 0\n  relative_step: off\n"
              "lr_schedule: {type: wsd, warmup: 2.5M tokens, decay: 100 steps, min_lr_ratio: .1}\n"
              "checkpoint: {save_strategy: no, keep: 3}\n"
              "log: {every: 1}\n");
  const Configuration all = files.read("a.yaml");

  EXPECT_EQ(all.model.path, "/m");
  EXPECT_EQ(all.model.init, ModelInit::random);
  EXPECT_EQ(all.model.dtype, ModelType::bfloat16);
  ASSERT_EQ(all.data.path.size(), 2u);
  EXPECT_EQ(all.data.path[0], (DataSource{.path = files.at("one.jsonl")}));
  EXPECT_EQ(all.data.path[1], (DataSource{.path = files.at("two"), .weight = 0.5}));
  EXPECT_FALSE(all.data.pack);
  EXPECT_EQ(all.train.trainer, Trainer::fsdp);
  EXPECT_EQ(all.train.batch_size, 8);
  EXPECT_EQ(all.train.max_tokens, 2'000'000);
  EXPECT_EQ(all.train.epochs, 1.5);
  EXPECT_EQ(all.parallel.split, (std::vector<std::int64_t>{8, 9}));
  EXPECT_EQ(all.parallel.schedule, PipelineSchedule::one_f_one_b);
  const std::vector<Setting> settings = {{"type", std::string("adafactor")},
                                         {"lr", 1e-4},
                                         {"weight_decay", 0.0},
                                         {"relative_step", false}};
  EXPECT_EQ(all.optimizer.settings, settings);
  EXPECT_EQ(all.lr_schedule.warmup, (Duration{2'500'000, Duration::Unit::tokens}));
  EXPECT_EQ(all.lr_schedule.decay, (Duration{100, Duration::Unit::steps}));
  EXPECT_EQ(all.lr_schedule.min_lr_ratio, 0.1);
  EXPECT_EQ(all.checkpoint.save_strategy, SaveStrategy::no);
  EXPECT_EQ(all.log.every, Duration{1});
}

TEST(Load, NamesEveryMistakeWithFileLineAndNearestWord) {
  Files files;
  files.write("base.yaml", "train:\n  seq_len: 0\n  sead: 3\n");
  files.write("a.yaml",
              "extends: base.yaml\n"
              "modle: {}\n"
              "train: {epochs: many, microbatch_size: 1.5, lr: 3}\n"
              "data: here.jsonl\n"
              "optimizer:\n  type: adamm\n  lr: -1\n  lr: 2\n"
              "checkpoint: {keep: 1, save_strategy: never}\n"
              "lr_schedule: {warmup: 5 epochs}\n");
  const auto named = [&](const std::string& part) {
    expect_error(ExitCode::usage, part, [&] { files.read("a.yaml", {"train.max_step=3"}); });
  };
  named("base.yaml:2: train.seq_len is '0', but must be at least 1");
  named("base.yaml:3: unknown key 'train.sead'; did you mean 'seed'?");
  named("a.yaml:2: unknown key 'modle'; did you mean 'model'?");
  named("a.yaml:3: train.epochs is 'many', but must be a number");
  named("a.yaml:3: train.microbatch_size is '1.5', but must be a whole number");
  named("a.yaml:3: unknown key 'train.lr'; did you mean 'optimizer.lr'?");
  named("a.yaml:4: 'data' must hold keys: path, format");
  named(
      "a.yaml:6: optimizer.type is 'adamm', but must be one of adafactor, adamw, adamw8bit, "
      "adamw4bit, sgd; did you mean 'adamw'?");
  named("a.yaml:8: key 'lr' stands twice (first on line 7)");
  named("a.yaml:9: checkpoint.keep is '1', but must be at least 2");
  named("a.yaml:9: checkpoint.save_strategy is 'never', but must be one of no, steps, epoch");
  named("a.yaml:10: lr_schedule.warmup is '5 epochs', but must be steps (100) or tokens");
  named("--set train.max_step: unknown key 'train.max_step'; did you mean 'max_steps'?");
}

TEST(Load, RefusesWhatTakesSeveralKeysToSee) {
  Files files;
  files.write("a.yaml",
              "train: {batch_size: 6, microbatch_size: 4}\n"
              "eval: {early_stop: {patience: 2}}\n");
  files.write("b.yaml", "eval: {every: 5}\n");
  expect_error(ExitCode::usage,
               "a.yaml:1: train.batch_size 6 cannot be divided by train.microbatch_size 4",
               [&] { files.read("a.yaml"); });
  expect_error(ExitCode::usage, "a.yaml:2: eval.early_stop.patience needs eval.every",
               [&] { files.read("a.yaml"); });
  expect_error(ExitCode::usage, "nothing to evaluate on", [&] { files.read("b.yaml"); });
}

TEST(Load, TakesOverridesOverTheFileAndTheLastOneOfAKey) {
  Files files;
  files.write("a.yaml", "train: {max_steps: 5, output_dir: out}\n");
  const Loaded loaded =
      files.load("a.yaml", {"train.max_steps=7", "train.max_steps=9", "train.output_dir=run",
                            "data.path=[a, b]", "checkpoint.resume=none"});
  EXPECT_EQ(loaded.configuration.train.max_steps, 9);
  EXPECT_EQ(loaded.configuration.train.output_dir, "/working/run");
  EXPECT_EQ(loaded.configuration.data.path[1].path, "/working/b");
  EXPECT_EQ(loaded.configuration.checkpoint.resume, "none");
  EXPECT_EQ(origin_of(loaded, "train.max_steps"), "--set train.max_steps");
  EXPECT_EQ(files.read("a.yaml", {"train.max_steps=null"}).train.max_steps, std::nullopt);
}

TEST(Load, TakesATextOfTheCommandLineAsItStands) {
  const std::vector<Override> overrides = {{"model.path", "a: [b] #${c}$${d}", "-M", true},
                                           {"data.split", "null", "--split", true}};
  const Configuration all = load("", overrides, "/working").configuration;
  EXPECT_EQ(all.model.path, "/working/a: [b] #${c}$${d}");
  EXPECT_EQ(all.data.split, "null");
}

TEST(Load, RefusesMalformedOverrides) {
  const Files files;
  expect_error(ExitCode::usage, "expected KEY=VALUE", [] { parse_set("train.seed"); });
  expect_error(ExitCode::usage, "'train..seed' is no key",
               [&] { files.read("", {"train..seed=1"}); });
  expect_error(ExitCode::usage, "--set data.path", [&] { files.read("", {"data.path=[a"}); });
  expect_error(ExitCode::usage, "--set train: 'train' must hold keys",
               [&] { files.read("", {"train=3"}); });
}

TEST(Load, KeepsGroupsInOrderWithTheirOptions) {
  Files files;
  files.write("a.yaml",
              "optimizer_groups:\n"
              "  no_decay: {regex: 'norm|bias', weight_decay: 0}\n"
              "  head: {regex: lm_head, lr: 1e-5}\n"
              "  embedding: {regex: embed, type: sgd, lr: 1e-3, momentum: 0.9}\n");
  files.write("b.yaml",
              "extends: a.yaml\n"
              "optimizer_groups:\n"
              "  head: null\n"
              "  no_decay: {regex: norm}\n"
              "  late: {regex: layers.3, lr: 0}\n");
  const auto groups = files.read("b.yaml").optimizer_groups;
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0], (OptimizerGroup{"no_decay", "norm", {{"weight_decay", 0.0}}}));
  EXPECT_EQ(groups[1].name, "embedding");
  EXPECT_EQ(groups[1].settings[0], (Setting{"type", std::string("sgd")}));
  EXPECT_EQ(groups[2].name, "late");
}

TEST(Load, RefusesWrongGroups) {
  Files files;
  files.write("a.yaml",
              "optimizer_groups:\n"
              "  one: {weight_decay: 0}\n"
              "  two: {regex: x, momentun: 1}\n"
              "  three: null\n"
              "  a.b: {regex: x}\n"
              "  four: {regex: x, lr: high}\n");
  const auto named = [&](const std::string& part) {
    expect_error(ExitCode::usage, part, [&] { files.read("a.yaml"); });
  };
  named("a.yaml:2: optimizer_groups.one needs a regex");
  named("a.yaml:3: unknown key 'optimizer_groups.two.momentun'; did you mean 'momentum'?");
  named("a.yaml:4: optimizer_groups.three is null, but no such group is inherited");
  named("a.yaml:5: a group's name has letters");
  named("a.yaml:6: optimizer_groups.four.lr is 'high', but must be a number");
}

}  // namespace
}  // namespace fg::config
