#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include <fg/checkpoint/reader.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "small_checkpoint.hpp"

namespace fg::checkpoint {
namespace {

namespace fs = std::filesystem;
using store::TensorUse;
using test::expect_error;
using test::TemporaryFolder;

/// Flips bits of one byte in place.
void flip(const fs::path& path, std::uint64_t at, unsigned bits) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at)).put(static_cast<char>(byte ^ static_cast<int>(bits)));
}

void rewrite(const fs::path& path, const std::string& text) {
  fs::remove(path);
  write_synced(path, text);
}

/// trainer.json with another text, and a manifest that lists it.
void put_trainer(const fs::path& folder, const std::string& text) {
  store::Manifest manifest = store::read_manifest(folder);
  rewrite(folder / trainer_name, text);
  manifest.files.clear();
  store::write_manifest(folder, std::move(manifest));
}

TEST(Verify, FindsAThousandFlippedBytes) {
  const TemporaryFolder folder;
  const fs::path checkpoint = make_checkpoint(folder.path(), 120);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(checkpoint)) files.push_back(entry.path());
  std::ranges::sort(files);
  ASSERT_EQ(files.size(), 5u);
  std::mt19937 random(5);
  for (int n = 0; n < 1000; ++n) {
    const fs::path& file = files[static_cast<std::size_t>(n) % files.size()];
    const std::uint64_t at = random() % fs::file_size(file);
    const auto bits = static_cast<unsigned>(1 + random() % 255);
    flip(file, at, bits);
    EXPECT_THROW(verify(checkpoint), Error) << file << " at " << at << " by " << bits;
    flip(file, at, bits);
  }
  verify(checkpoint);
}

TEST(Verify, FindsFilesThatAreCutLongerMissingOrMore) {
  const TemporaryFolder folder;
  const fs::path checkpoint = make_checkpoint(folder.path(), 120);
  const fs::path model = checkpoint / "model-r00000.h5";
  const std::string text = read_text(model, 1 << 20);
  const auto refused = [&](const std::string& part) {
    expect_error(ExitCode::cannot_load, part, [&] { verify(checkpoint); });
  };
  for (const std::string& wrong : {std::string(), text.substr(0, text.size() - 1), text + "x"}) {
    rewrite(model, wrong);
    refused("model-r00000.h5");
  }
  fs::remove(model);
  refused("model-r00000.h5: is missing");
  rewrite(model, text);
  rewrite(checkpoint / "model-r00001.h5", text);
  refused("is not listed");
  fs::remove(checkpoint / "model-r00001.h5");
  verify(checkpoint);
}

TEST(Verify, RefusesAStepThatIsNotTheFoldersOrTheTrainers) {
  const TemporaryFolder folder;
  const fs::path checkpoint = make_checkpoint(folder.path(), 120);
  put_trainer(checkpoint, trainer_text(Json::object(), 119));
  expect_error(ExitCode::cannot_load, "is of step 119", [&] { verify(checkpoint); });
  fs::rename(make_checkpoint(folder.path(), 7), folder / "checkpoint-8");
  expect_error(ExitCode::cannot_load, "is of step 7", [&] { verify(folder / "checkpoint-8"); });
}

TEST(Verify, RefusesAModelFolder) {
  const TemporaryFolder folder;
  write_synced(folder / "config.json", "{}");
  expect_error(ExitCode::cannot_load, "manifest.json: is missing", [&] { verify(folder.path()); });
  store::write_manifest(folder.path());
  expect_error(ExitCode::cannot_load, "is not that of a checkpoint",
               [&] { verify(folder.path()); });
}

TEST(Reader, GivesRowsAndTrainer) {
  const TemporaryFolder folder;
  Reader reader(make_checkpoint(folder.path(), 120));
  const std::vector<std::byte> wanted = counted_bytes(4000);
  std::vector<std::byte> rows(24);
  reader.read(TensorUse::weights, "w", 10, 3, rows);

  EXPECT_TRUE(std::equal(rows.begin(), rows.end(), wanted.begin() + 80));
  EXPECT_EQ(reader.step(), 120u);
  EXPECT_EQ(reader.trainer().whole_number("tokens"), 5u);
  ASSERT_EQ(reader.tensors(TensorUse::optimizer).size(), 1u);
  EXPECT_EQ(reader.find(TensorUse::optimizer, "w"), nullptr);
  ASSERT_NE(reader.find(TensorUse::weights, "w"), nullptr);
  EXPECT_EQ(reader.find(TensorUse::weights, "w")->dtype, store::Dtype::bfloat16);
  expect_error(ExitCode::cannot_load, "holds no tensor 'v' among its optimizer",
               [&] { reader.read(TensorUse::optimizer, "v", {}); });
}

TEST(Reader, ComparesEachFileBeforeItIsUsed) {
  const TemporaryFolder folder;
  const fs::path checkpoint = make_checkpoint(folder.path(), 120);
  const fs::path model = checkpoint / "model-r00000.h5";
  flip(model, fs::file_size(model) - 1, 1);
  Reader reader(checkpoint);
  std::vector<std::byte> state(300);
  reader.read(TensorUse::optimizer, "w.exp_avg", state);
  std::vector<std::byte> weight(4000);
  for (int n = 0; n < 2; ++n)
    expect_error(ExitCode::cannot_load, "model-r00000.h5: is damaged",
                 [&] { reader.read(TensorUse::weights, "w", weight); });
}

TEST(Reader, SaysInOneMessageWhatIsWrongWithTheTrainer) {
  const TemporaryFolder folder;
  const fs::path checkpoint = make_checkpoint(folder.path(), 120);
  const auto refused = [&](const std::string& text, const std::string& part) {
    put_trainer(checkpoint, text);
    expect_error(ExitCode::cannot_load, "trainer.json: " + part, [&] { Reader{checkpoint}; });
  };
  refused("[1]", "is no JSON object");
  refused("{\"step\": 120}", "'format' is missing");
  refused("{\"format\": 2, \"step\": 120}", "has the format 2");
  refused("{\"format\": 1}", "'step' is missing");
  refused("{\"format\": 1, \"step\": -1}", "'step' is missing or no whole number");
  refused("{", "");
  put_trainer(checkpoint, "{\"format\": 1, \"step\": 120, \"data\": {\"row\": \"x\"}}");
  const Reader reader(checkpoint);
  expect_error(ExitCode::cannot_load, "trainer.json: 'data': 'row' is not a whole number",
               [&] { reader.trainer().object("data").whole_number("row"); });
  expect_error(ExitCode::cannot_load, "'tokens' is missing",
               [&] { reader.trainer().whole_number("tokens"); });
}

TEST(LatestOfRun, TakesTheHighestThatVerifiesAndSaysWhy) {
  const TemporaryFolder run;
  const fs::path checkpoints = run / "checkpoints";
  std::vector<std::string> notes;
  expect_error(ExitCode::cannot_load, "has no checkpoint",
               [&] { latest_of_run(run.path(), notes); });
  for (const std::uint64_t step : {30, 9, 100}) make_checkpoint(checkpoints, step);
  EXPECT_EQ(latest_of_run(run.path(), notes).step, 100u);
  EXPECT_TRUE(notes.empty());
  flip(checkpoints / "checkpoint-100/config.json", 0, 1);
  EXPECT_EQ(latest_of_run(run.path(), notes).step, 30u);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("config.json: is damaged"), std::string::npos) << notes[0];
}

TEST(StepOfName, KnowsOnlyPlainNames) {
  EXPECT_EQ(step_of_name("checkpoint-0"), 0u);
  EXPECT_EQ(step_of_name("checkpoint-120"), 120u);
  for (const char* name :
       {"checkpoint-", "checkpoint-007", "checkpoint-+1", "checkpoint--1", "checkpoint-1x",
        "checkpoint-1.tmp-00", ".checkpoint-1", "checkpoint", "checkpoint-99999999999999999999"})
    EXPECT_FALSE(step_of_name(name).has_value()) << name;
}

}  // namespace
}  // namespace fg::checkpoint
