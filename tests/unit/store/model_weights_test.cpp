#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fg/base/file.hpp>
#include <fg/store/manifest.hpp>
#include <fg/store/model_weights.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "byte_text.hpp"

namespace fg::store {
namespace {

using test::expect_error;
using test::TemporaryFolder;

std::vector<TensorInfo> some_tensors(std::size_t count) {
  std::vector<TensorInfo> tensors;
  for (std::size_t index = 0; index < count; ++index)
    tensors.push_back({"t" + std::to_string(100 + index), Dtype::uint8, {100}});
  return tensors;
}

enum class Index { written, left_out };

/// One tensor a shard. Its bytes are numbered by the tensor's place.
void write_model(const std::filesystem::path& folder, WeightFormat format, std::size_t count,
                 Index index = Index::written) {
  const std::vector<TensorInfo> tensors = some_tensors(count);
  const std::vector<Shard> shards = plan_shards(tensors, 1, format);
  for (std::size_t place = 0; place < shards.size(); ++place) {
    const auto writer = create_weight_file(format, folder / shards[place].file, {tensors[place]});
    writer->write(0, 0, numbered_bytes(100, static_cast<unsigned>(place)));
    writer->finish();
  }
  if (shards.size() > 1 && index == Index::written)
    write_synced(folder / index_file_name(format), index_json(tensors, shards));
}

void expect_model(const std::filesystem::path& folder, WeightFormat format, std::size_t count) {
  ModelWeights weights(folder);
  EXPECT_EQ(weights.format(), format);
  ASSERT_EQ(weights.tensors().size(), count);
  for (std::size_t index = count; index-- > 0;) {
    std::vector<std::byte> bytes(100);
    weights.read(index, 0, bytes);
    EXPECT_EQ(bytes, numbered_bytes(100, static_cast<unsigned>(index)));
  }
  EXPECT_EQ(weights.find("t100"), 0u);
  EXPECT_EQ(weights.find("t"), std::nullopt);
}

class EachFormat : public testing::TestWithParam<WeightFormat> {};
INSTANTIATE_TEST_SUITE_P(ModelWeights, EachFormat,
                         testing::Values(WeightFormat::safetensors, WeightFormat::torch_bin,
                                         WeightFormat::hdf5),
                         [](const auto& format) { return std::string(name_of(format.param)); });

TEST_P(EachFormat, IsReadFromOneFileFromShardsAndWithoutAnIndex) {
  for (const auto& [count, index] : {std::pair(std::size_t{1}, Index::written),
                                     {std::size_t{3}, Index::written},
                                     {std::size_t{3}, Index::left_out}}) {
    const TemporaryFolder folder;
    write_model(folder.path(), GetParam(), count, index);
    write_manifest(folder.path());
    expect_model(folder.path(), GetParam(), count);
  }
}

TEST_P(EachFormat, NamesTheFirstShardThatIsMissing) {
  for (const Index index : {Index::written, Index::left_out}) {
    const TemporaryFolder folder;
    write_model(folder.path(), GetParam(), 3, index);
    std::filesystem::remove(folder / shard_file_name(GetParam(), 2, 3));
    expect_error(ExitCode::cannot_load, shard_file_name(GetParam(), 2, 3) + ": missing",
                 [&] { ModelWeights weights(folder.path()); });
  }
}

TEST_P(EachFormat, ReadsMoreShardsThanThereAreDescriptors) {
  const TemporaryFolder folder;
  write_model(folder.path(), GetParam(), 80);
  write_manifest(folder.path());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{64, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  expect_model(folder.path(), GetParam(), 80);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(ModelWeights, TakesTheCompleteBinSetBesideAnIncompleteOneAndSaysSo) {
  const TemporaryFolder folder;
  write_model(folder.path(), WeightFormat::safetensors, 3);
  write_model(folder.path(), WeightFormat::torch_bin, 2);
  std::filesystem::remove(folder / "model-00002-of-00003.safetensors");

  const ModelWeights weights(folder.path());

  EXPECT_EQ(weights.format(), WeightFormat::torch_bin);
  ASSERT_EQ(weights.notes().size(), 1u);
  EXPECT_EQ(weights.notes()[0],
            "model.safetensors.index.json is passed over because model-00002-of-00003.safetensors "
            "is missing; the weights are read from pytorch_model.bin.index.json");
}

TEST(ModelWeights, PrefersSafetensorsToBin) {
  const TemporaryFolder folder;
  write_model(folder.path(), WeightFormat::safetensors, 1);
  write_model(folder.path(), WeightFormat::torch_bin, 2);

  EXPECT_EQ(ModelWeights(folder.path()).format(), WeightFormat::safetensors);
  EXPECT_TRUE(ModelWeights(folder.path()).notes().empty());
}

TEST(ModelWeights, RefusesAnIndexThatDoesNotTellTheFiles) {
  const TemporaryFolder folder;
  write_model(folder.path(), WeightFormat::safetensors, 2);
  const std::string name = index_file_name(WeightFormat::safetensors);
  const std::string honest = read_text(folder / name, 10'000);
  const auto refuse = [&](const std::string& from, const std::string& to, const std::string& rule) {
    std::string text = honest;
    text.replace(text.find(from), from.size(), to);
    std::filesystem::remove(folder / name);
    write_synced(folder / name, text);
    expect_error(ExitCode::cannot_load, rule, [&] { ModelWeights weights(folder.path()); });
  };

  refuse("t101", "t102", "'t102' is in model-00002-of-00002.safetensors, but no file holds it");
  refuse("00001-of", "00002-of", "'t100' is in");
  refuse(": 200", ": 201", "total_size is 201, but the tensors have 200 bytes");
  refuse("\"model-00001", "\"../model-00001", "not a plain file name");
}

TEST(ModelWeights, FollowsLinksInsideTheFolderOnly) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "run/checkpoints/1");
  write_model(folder / "run/checkpoints/1", WeightFormat::safetensors, 1);
  std::filesystem::create_symlink("checkpoints/1/model.safetensors",
                                  folder / "run/model.safetensors");
  expect_model(folder / "run", WeightFormat::safetensors, 1);

  std::filesystem::create_directory(folder / "other");
  std::filesystem::create_symlink("../run/checkpoints/1/model.safetensors",
                                  folder / "other/model.safetensors");
  expect_error(ExitCode::cannot_load, "leaves the model's folder",
               [&] { ModelWeights weights(folder / "other"); });
}

TEST(ModelWeights, SaysWhatItLookedForAndWhatElseLiesThere) {
  const TemporaryFolder folder;
  expect_error(ExitCode::cannot_load, "no weights: none of model.safetensors",
               [&] { ModelWeights weights(folder.path()); });
  write_synced(folder / "x.gguf", "");
  expect_error(ExitCode::cannot_load, "'x.gguf' is of a format that is not read",
               [&] { ModelWeights weights(folder.path()); });
  expect_error(ExitCode::cannot_load, "cannot list",
               [&] { ModelWeights weights(folder / "nothing"); });
}

TEST(ModelWeights, RefusesShardsOfTwoSets) {
  const TemporaryFolder folder;
  write_model(folder.path(), WeightFormat::safetensors, 2, Index::left_out);
  write_model(folder.path(), WeightFormat::safetensors, 3, Index::left_out);

  expect_error(ExitCode::cannot_load, "shards of two sets",
               [&] { ModelWeights weights(folder.path()); });
}

TEST(ModelWeights, OpensHdf5OnlyWhereTheManifestListsIt) {
  const TemporaryFolder folder;
  write_model(folder.path(), WeightFormat::hdf5, 1);

  expect_error(ExitCode::cannot_load, "manifest", [&] { ModelWeights weights(folder.path()); });
}

TEST(PlanShards, GivesOneUnnumberedFileWhereAllFits) {
  const std::vector<TensorInfo> tensors = some_tensors(3);

  const std::vector<Shard> shards = plan_shards(tensors, 300, WeightFormat::torch_bin);

  ASSERT_EQ(shards.size(), 1u);
  EXPECT_EQ(shards[0].file, "pytorch_model.bin");
  EXPECT_EQ(plan_shards({}, 300, WeightFormat::hdf5).at(0).file, "model.h5");
}

TEST(PlanShards, BeginsANewFileWhereATensorDoesNotFit) {
  const std::vector<TensorInfo> tensors = some_tensors(5);

  const std::vector<Shard> shards = plan_shards(tensors, 299, WeightFormat::safetensors);

  ASSERT_EQ(shards.size(), 3u);
  EXPECT_EQ(shards[1].file, "model-00002-of-00003.safetensors");
  EXPECT_EQ(shards[1].tensors, (std::vector<std::size_t>{2, 3}));
}

}  // namespace
}  // namespace fg::store
