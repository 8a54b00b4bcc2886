#include <csignal>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fg/checkpoint/run_folder.hpp>
#include <fg/store/model_weights.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "small_checkpoint.hpp"

namespace fg::checkpoint {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TemporaryFolder;

TEST(RunFolder, MakesItsFoldersAndANameOfItsOwn) {
  const TemporaryFolder folder;
  std::string name;
  {
    const RunFolder run(folder / "a/run");
    EXPECT_TRUE(fs::is_directory(folder / "a/run/checkpoints"));
    name = run.run_name();
    EXPECT_EQ(name.size(), 8u);
    EXPECT_TRUE(run.notes().empty());
  }
  EXPECT_NE(RunFolder(folder / "a/run").run_name(), name);
  EXPECT_EQ(read_text(folder / "a/run/.fg-lock", 1000), "");
}

TEST(RunFolder, RefusesAFolderInUseAndNamesTheHolder) {
  const TemporaryFolder folder;
  const RunFolder run(folder.path());
  expect_error(ExitCode::usage, "process " + std::to_string(::getpid()) + " on host ",
               [&] { const RunFolder second(folder.path()); });
  // Also by another way to the same folder.
  fs::create_directory_symlink(folder.path(), folder / "link");
  expect_error(ExitCode::usage, "is in use by another run",
               [&] { const RunFolder second(folder / "link"); });
}

TEST(RunFolder, TakesOverFromADeadProcess) {
  const TemporaryFolder folder;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const RunFolder run(folder.path());
    const bool told = ::write(ready[1], "x", 1) == 1;
    for (; told;) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  expect_error(ExitCode::usage, "process " + std::to_string(child),
               [&] { const RunFolder second(folder.path()); });
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_NE(read_text(folder / ".fg-lock", 1000), "") << "the dead one's note";
  const RunFolder run(folder.path());
  EXPECT_TRUE(run.notes().empty());
}

TEST(RunFolder, RemovesWhatADeadRunLeft) {
  const TemporaryFolder folder;
  const fs::path checkpoints = make_checkpoint(folder / "checkpoints", 5).parent_path();
  for (const char* name : {".tmp-0123abcd/x", ".trash-checkpoint-3", "mine"})
    fs::create_directories(checkpoints / name);
  write_synced(checkpoints / ".checkpoint-6.fg-lock", "");
  const RunFolder run(folder.path());

  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(checkpoints))
    left.push_back(entry.path().filename().string());
  std::ranges::sort(left);
  EXPECT_EQ(left, (std::vector<std::string>{"checkpoint-5", "mine"}));
  EXPECT_EQ(run.notes().size(), 3u);
}

TEST(RunFolder, LinksTheLatestSoThatTheRootLoadsAsAModel) {
  const TemporaryFolder folder;
  const RunFolder run(folder.path());
  run.link_latest(make_checkpoint(run.checkpoints(), 5));
  run.link_latest(make_checkpoint(run.checkpoints(), 6));

  EXPECT_EQ(fs::read_symlink(run.checkpoints() / "latest"), "checkpoint-6");
  EXPECT_EQ(fs::read_symlink(run.root() / "model-r00000.h5"), "checkpoints/latest/model-r00000.h5");
  store::ModelWeights weights(run.root());
  ASSERT_EQ(weights.tensors().size(), 1u);
  std::vector<std::byte> bytes(4000);
  weights.read(0, 0, bytes);
  EXPECT_EQ(bytes, counted_bytes(4000));
  EXPECT_EQ(list_checkpoints(run.checkpoints()).size(), 2u) << "latest is none";
}

TEST(RunFolder, RemovesItsLinksToFilesThatTheLatestLacks) {
  const TemporaryFolder folder;
  const RunFolder run(folder.path());
  const fs::path checkpoint = make_checkpoint(run.checkpoints(), 5);
  fs::create_symlink("checkpoints/latest/model-r00001.h5", run.root() / "model-r00001.h5");
  fs::create_symlink("elsewhere", run.root() / "notes.txt");
  run.link_latest(checkpoint);
  EXPECT_FALSE(fs::is_symlink(run.root() / "model-r00001.h5"));
  EXPECT_TRUE(fs::is_symlink(run.root() / "notes.txt"));
}

TEST(RunFolder, NeverTouchesBaseWeights) {
  const TemporaryFolder folder;
  write_synced(folder / "model.safetensors", "base");
  write_synced(folder / "manifest.json", "base");
  const RunFolder run(folder.path());
  run.link_latest(make_checkpoint(run.checkpoints(), 5));

  EXPECT_EQ(read_text(folder / "model.safetensors", 10), "base");
  EXPECT_EQ(read_text(folder / "manifest.json", 10), "base");
  EXPECT_FALSE(fs::is_symlink(folder / "model-r00000.h5"));
  EXPECT_TRUE(fs::is_symlink(run.checkpoints() / "latest"));
}

TEST(RunFolder, CopiesTheModelsSmallFiles) {
  const TemporaryFolder model;
  write_synced(model / "config.json", "{\"a\": 1}");
  write_synced(model / "chat_template.jinja", "x");
  write_synced(model / "model.safetensors", "weights");
  const TemporaryFolder folder;
  write_synced(folder / "config.json", "old");
  const RunFolder run(folder.path());
  run.copy_model_files(model.path(), model.path());
  EXPECT_EQ(read_text(folder / "config.json", 10), "{\"a\": 1}");
  EXPECT_EQ(model_files(run.root()).size(), 2u);
  EXPECT_FALSE(fs::exists(folder / "model.safetensors"));
  run.copy_model_files(folder.path(), folder.path());
  EXPECT_EQ(model_files(run.root()).size(), 2u);
}

TEST(RunFolder, TakesOfTheModelAndOfTheTokenizerWhatIsTheirs) {
  const TemporaryFolder model, tokenizer, folder;
  for (const TemporaryFolder* each : {&model, &tokenizer})
    for (const char* name : {"config.json", "generation_config.json", "tokenizer.json"})
      write_synced(*each / name, each == &model ? "model's" : "tokenizer's");
  const RunFolder run(folder.path());
  run.copy_model_files(model.path(), tokenizer.path());
  EXPECT_EQ(read_text(folder / "config.json", 20), "model's");
  EXPECT_EQ(read_text(folder / "generation_config.json", 20), "model's");
  EXPECT_EQ(read_text(folder / "tokenizer.json", 20), "tokenizer's");
}

}  // namespace
}  // namespace fg::checkpoint
