#include <gtest/gtest.h>

#include <fg/test/expect_error.hpp>

#include "files.hpp"

namespace fg::config {
namespace {

using test::expect_error;

TEST(Merge, LaysMapsOverEachOtherAndReplacesLists) {
  Files files;
  files.write("base.yaml", "train: {seed: 1, epochs: 2}\nparallel: {split: [1, 2, 3]}\n");
  files.write("a.yaml", "extends: base.yaml\ntrain: {seed: 5}\nparallel: {split: [4]}\n");
  const Loaded loaded = files.load("a.yaml");
  EXPECT_EQ(loaded.configuration.train.seed, 5u);
  EXPECT_EQ(loaded.configuration.train.epochs, 2);
  EXPECT_EQ(loaded.configuration.parallel.split, std::vector<std::int64_t>{4});
  EXPECT_EQ(origin_of(loaded, "train.seed"), files.at("a.yaml") + ":2");
  EXPECT_EQ(origin_of(loaded, "train.epochs"), files.at("base.yaml") + ":1");
}

TEST(Merge, RemovesWhatNullNames) {
  Files files;
  files.write("base.yaml",
              "train: {max_steps: 9, seed: 3}\neval: {every: 5, steps: 2}\n"
              "data: {eval_path: e}\noptimizer_groups: {a: {regex: x, lr: 1}}\n");
  files.write("a.yaml",
              "extends: base.yaml\ntrain: {max_steps: null, seed: ~}\neval: null\n"
              "optimizer_groups: {a: {lr: null}}\n");
  const Loaded loaded = files.load("a.yaml");
  EXPECT_EQ(loaded.configuration.train.max_steps, std::nullopt);
  EXPECT_EQ(loaded.configuration.train.seed, Configuration{}.train.seed);
  EXPECT_EQ(loaded.configuration.eval, Eval{});
  EXPECT_TRUE(loaded.configuration.optimizer_groups.at(0).settings.empty());
  EXPECT_EQ(origin_of(loaded, "train.max_steps"), "default");
}

TEST(Merge, TakesTheNearerOfTheTwoBatchSizes) {
  Files files;
  files.write("base.yaml", "train: {global_batch_size: 32}\n");
  files.write("a.yaml", "extends: base.yaml\ntrain: {batch_size: 2}\n");
  files.write("b.yaml", "extends: a.yaml\ntrain: {global_batch_size: 8}\n");

  EXPECT_EQ(files.read("base.yaml").train.global_batch_size, 32);
  const Train near = files.read("a.yaml").train;
  EXPECT_EQ(near.batch_size, 2);
  EXPECT_EQ(near.global_batch_size, std::nullopt);
  const Train nearer = files.read("b.yaml").train;
  EXPECT_EQ(nearer.batch_size, std::nullopt);
  EXPECT_EQ(nearer.global_batch_size, 8);
  const Train nearest = files.read("b.yaml", {"train.batch_size=3"}).train;
  EXPECT_EQ(nearest.batch_size, 3);
  EXPECT_EQ(nearest.global_batch_size, std::nullopt);
}

TEST(Merge, RefusesTwoKeysThatExcludeEachOtherOnOneLevel) {
  Files files;
  files.write("a.yaml", "train: {global_batch_size: 8, batch_size: 2}\n");
  expect_error(ExitCode::usage, "train.global_batch_size and train.batch_size exclude each other",
               [&] { files.read("a.yaml"); });
  expect_error(ExitCode::usage, "exclude each other", [&] {
    files.read("", {"lr_schedule.min_lr=1e-6", "lr_schedule.min_lr_ratio=0.1"});
  });
}

TEST(Merge, DropsTheOptionsOfAnotherOptimizer) {
  Files files;
  files.write("base.yaml", "optimizer: {type: adafactor, lr: 1e-3, clip_threshold: 2}\n");
  const auto settings = files.read("base.yaml", {"optimizer.type=adamw"}).optimizer.settings;
  const std::vector<Setting> expected = {{"type", std::string("adamw")}, {"lr", 1e-3}};
  EXPECT_EQ(settings, expected);
  EXPECT_EQ(files.read("base.yaml", {"optimizer.type=adafactor"}).optimizer.settings.size(), 3u);
}

TEST(Merge, CountsAFileThatSeveralExtendOnce) {
  Files files;
  files.write("base.yaml", "train: {seed: 1, epochs: 1}\n");
  files.write("x/a.yaml", "extends: ../base.yaml\ntrain: {seed: 2}\n");
  files.write("x/b.yaml", "extends: ../base.yaml\ntrain: {epochs: 3}\n");
  files.write("c.yaml", "extends: [x/a.yaml, x/b.yaml]\n");
  const Loaded loaded = files.load("c.yaml");
  EXPECT_EQ(loaded.configuration.train.seed, 2u);
  EXPECT_EQ(loaded.configuration.train.epochs, 3);
  ASSERT_EQ(loaded.files.size(), 4u);
  EXPECT_EQ(loaded.files[0].path.filename(), "base.yaml");
  EXPECT_EQ(loaded.files[3].extends, (std::vector<std::size_t>{1, 2}));
}

TEST(Merge, RefusesCirclesAndMissingFiles) {
  Files files;
  files.write("a.yaml", "extends: b.yaml\n");
  files.write("b.yaml", "extends: a.yaml\n");
  files.write("c.yaml", "train: {seed: 1}\nextends: [none.yaml, {a: 1}]\n");
  expect_error(ExitCode::usage, "b.yaml:1: extends itself through", [&] { files.read("a.yaml"); });
  expect_error(ExitCode::usage, "c.yaml:2: extends: ", [&] { files.read("c.yaml"); });
  expect_error(ExitCode::usage, "extends must be a file or a list of files",
               [&] { files.read("c.yaml"); });
  expect_error(ExitCode::usage, "missing.yaml", [&] { files.read("missing.yaml"); });
}

TEST(References, TakeTheFinalValueOfAnotherKey) {
  Files files;
  files.write("base.yaml",
              "train: {max_steps: 10, output_dir: runs/a}\n"
              "lr_schedule: {total: '${train.max_steps}'}\n"
              "log: {samples: {prompts: '${train.output_dir}/p.txt'}}\n"
              "checkpoint: {every: '${lr_schedule.total}'}\n");
  files.write("x/a.yaml", "extends: ../base.yaml\ntrain: {max_steps: 30, output_dir: b}\n");
  const Configuration all = files.read("x/a.yaml");
  EXPECT_EQ(all.lr_schedule.total, Duration{30});
  EXPECT_EQ(all.checkpoint.every, Duration{30});
  EXPECT_EQ(all.log.samples.prompts, files.at("x/b/p.txt"));
}

TEST(References, TakeDefaultsAndTheEnvironment) {
  Files files;
  files.environment = {{"DATA", "/d"}, {"EMPTY", ""}, {"HOME", "/home/me"}};
  files.write("a.yaml",
              "data: {path: '${env:DATA}/x.jsonl', eval_path: '${env:EMPTY:-y}'}\n"
              "lr_schedule: {warmup: '${train.microbatch_size}'}\n"
              "comm: {interface: 'a$${b}$c'}\n"
              "train: {output_dir: ~/run/, seed: '${env:SEED:-4}'}\n");
  const Configuration all = files.read("a.yaml");
  EXPECT_EQ(all.data.path[0].path, "/d/x.jsonl");
  EXPECT_EQ(all.data.eval_path, files.at("y"));
  EXPECT_EQ(all.lr_schedule.warmup, Duration{1});
  EXPECT_EQ(all.comm.interface, "a${b}$c");
  EXPECT_EQ(all.train.output_dir, "/home/me/run");
  EXPECT_EQ(all.train.seed, 4u);
}

TEST(References, RefuseWhatTheyCannotFollow) {
  Files files;
  files.environment = {{"BAD", "\xff"}};
  files.write("a.yaml",
              "train: {max_steps: '${train.max_tokens}', max_tokens: '${train.max_steps}'}\n"
              "data: {split: '${env:NOT_THERE}', eval_split: '${train.sead}'}\n"
              "comm: {interface: '${train.seed', simulate_link: '${env:BAD}'}\n"
              "model: {path: '${model.config}'}\n");
  const auto named = [&](const std::string& part) {
    expect_error(ExitCode::usage, part, [&] { files.read("a.yaml"); });
  };
  named("refers to itself");
  named("a.yaml:2: the variable NOT_THERE is not set");
  named(
      "${train.sead} names no key (a variable of the environment is ${env:NAME}); did you mean "
      "'train.seed'?");
  named("a.yaml:3: '${train.seed' lacks the '}'");
  named("the variable BAD is not valid UTF-8");
  named("a.yaml:4: ${model.config} is not set");
}

}  // namespace
}  // namespace fg::config
