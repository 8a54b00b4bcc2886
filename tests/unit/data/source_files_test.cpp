#include "source_files.hpp"

#include <gtest/gtest.h>

#include <fg/base/file.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

namespace fg::data {
namespace {

class SourceFiles : public testing::Test {
protected:
  void add(const std::string& name) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    write_synced(folder_ / name, "");
  }
  std::vector<std::string> names(const std::string& split) const {
    std::vector<std::string> found;
    for (const auto& path : files_of(folder_.path(), split))
      found.push_back(std::filesystem::relative(path, folder_.path()).string());
    return found;
  }
  test::TemporaryFolder folder_;
};

using Names = std::vector<std::string>;

TEST_F(SourceFiles, TakesTheFilesOfASplitInOrder) {
  for (const char* name : {"train-2.jsonl", "train-1.jsonl.gz", "held_out.json", "README.md",
                           "training.txt", ".hidden.json", "test/b.json", "test/a.txt"})
    add(name);

  EXPECT_EQ(names("train"), (Names{"train-1.jsonl.gz", "train-2.jsonl"}));
  EXPECT_EQ(names(""), names("train"));
  EXPECT_EQ(names("held_out"), Names{"held_out.json"});
  EXPECT_EQ(names("test"), (Names{"test/a.txt", "test/b.json"}));
}

TEST_F(SourceFiles, TakesAllWhereNoneIsNamedTrain) {
  add("b.jsonl");
  add("a.txt");

  EXPECT_EQ(names("train"), (Names{"a.txt", "b.jsonl"}));
}

TEST_F(SourceFiles, NamesWhatIsThereInstead) {
  add("held_out.jsonl");
  const auto refused = [&](const std::filesystem::path& path, const std::string& split,
                           const std::string& part) {
    test::expect_error(ExitCode::data, part, [&] { files_of(path, split); });
  };
  refused(folder_.path(), "heldout", "there are held_out.jsonl; did you mean 'held_out'?");
  refused(folder_ / "held_ou.jsonl", "", "did you mean 'held_out.jsonl'?");
  refused(folder_ / "held_out.jsonl", "test", "a file has no split 'test'");
  EXPECT_EQ(files_of(folder_ / "held_out.jsonl", "train").size(), 1u);
  EXPECT_EQ(files_of(folder_ / "held_out.jsonl", "held_out").size(), 1u);
  const test::TemporaryFolder empty;
  refused(empty.path(), "", "no file here ends in .json");
}

}  // namespace
}  // namespace fg::data
