#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/store/hdf5.hpp>
#include <fg/store/model_weights.hpp>
#include <fg/store/slices.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

namespace fg::store {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TemporaryFolder;

std::vector<std::byte> counted(std::size_t first, std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>((first + i) * 31);
  return bytes;
}

/// Rows of a tensor of 6 bytes a row, whose bytes count on.
void write_rows(const fs::path& file, std::uint64_t first, std::uint64_t rows) {
  const auto writer = create_hdf5(file, {{"w", Dtype::int16, {rows, 3}}});
  writer->write(0, 0, counted(first * 6, rows * 6));
  writer->finish();
}

SliceTable table_of(std::vector<Slice> slices, std::uint64_t rows = 10) {
  return {{{{"w", Dtype::int16, {rows, 3}}, std::move(slices)}}, {}};
}

const SliceTable three =
    table_of({{0, 4, "model-r00000.h5"}, {4, 1, "model-r00002.h5"}, {5, 5, "model-r00001.h5"}});

/// Ten rows in three files.
struct Pieces {
  TemporaryFolder folder;

  explicit Pieces(const SliceTable& table = three) {
    write_rows(folder / "model-r00000.h5", 0, 4);
    write_rows(folder / "model-r00001.h5", 5, 5);
    write_rows(folder / "model-r00002.h5", 4, 1);
    Manifest manifest;
    put_slices(table, manifest);
    write_manifest(folder.path(), std::move(manifest));
  }
  SliceReader open() const {
    std::vector<SliceFolder> folders;
    folders.push_back({folder.path(), read_manifest(folder.path()), false});
    return SliceReader(std::move(folders));
  }
};

TEST(Slices, AreReadAsOneTensor) {
  const Pieces pieces;
  SliceReader reader = pieces.open();
  EXPECT_EQ(reader.table(), three);
  EXPECT_EQ(reader.find(TensorUse::weights, "w"), 0u);
  EXPECT_FALSE(reader.find(TensorUse::optimizer, "w").has_value());
  for (std::size_t begin = 0; begin <= 60; ++begin)
    for (std::size_t end = begin; end <= 60; ++end) {
      std::vector<std::byte> bytes(end - begin);
      reader.read(TensorUse::weights, 0, begin, bytes);
      ASSERT_EQ(bytes, counted(begin, end - begin)) << begin << " to " << end;
    }
}

TEST(Slices, AreAModelFolder) {
  const Pieces pieces;
  ModelWeights weights(pieces.folder.path());
  ASSERT_EQ(weights.tensors().size(), 1u);
  EXPECT_EQ(weights.tensors()[0].shape, (std::vector<std::uint64_t>{10, 3}));
  EXPECT_EQ(weights.file_of(0), "model-r00000.h5");
  EXPECT_EQ(weights.files().size(), 3u);
  std::vector<std::byte> bytes(60);
  weights.read(0, 0, bytes);
  EXPECT_EQ(bytes, counted(0, 60));
}

TEST(Slices, OfAModelFolderAreAllComparedBeforeUse) {
  const Pieces pieces;
  fs::remove(pieces.folder / "model-r00002.h5");
  expect_error(ExitCode::cannot_load, "model-r00002.h5: missing",
               [&] { ModelWeights{pieces.folder.path()}; });
  write_rows(pieces.folder / "model-r00002.h5", 5, 1);
  expect_error(ExitCode::cannot_load, "model-r00002.h5: is damaged",
               [&] { ModelWeights{pieces.folder.path()}; });
}

TEST(Slices, MustBeInTheirFilesAsTheTableSays) {
  const auto refused = [](std::vector<Slice> slices, std::uint64_t rows, const std::string& part) {
    const Pieces pieces(table_of(std::move(slices), rows));
    expect_error(ExitCode::cannot_load, part, [&] { pieces.open().open_all(TensorUse::weights); });
  };
  refused({{0, 5, "model-r00000.h5"}, {5, 5, "model-r00001.h5"}}, 10,
          "model-r00000.h5: tensor 'w' has another dtype or shape");
  refused({{0, 4, "model-r00009.h5"}}, 4, "the pieces of the other nodes are needed too");
  refused({{0, 4, "../model-r00000.h5"}}, 4, "the pieces of the other nodes are needed too");
  refused({{0, 1, "manifest.json"}}, 1, "the pieces of the other nodes are needed too");
  Pieces pieces;
  Manifest manifest;
  SliceTable other = table_of({{0, 4, "model-r00000.h5"}}, 4);
  other.weights[0].info.name = "v";
  put_slices(other, manifest);
  write_manifest(pieces.folder.path(), std::move(manifest));
  expect_error(ExitCode::cannot_load, "tensor 'v' is not in it",
               [&] { pieces.open().open_all(TensorUse::weights); });
}

TEST(Slices, CoverEachRowExactlyOnce) {
  const auto refused = [](std::vector<Slice> slices, const std::string& part) {
    SliceTable table = table_of(std::move(slices));
    expect_error(ExitCode::bug, part, [&] { check_slices(table, "t", ExitCode::bug); });
  };
  refused({}, "rows 0 to 10 are missing");
  refused({{1, 9, "a"}}, "rows 0 to 1 are missing");
  refused({{0, 9, "a"}}, "rows 9 to 10 are missing");
  refused({{0, 4, "a"}, {5, 5, "b"}}, "rows 4 to 5 are missing");
  refused({{0, 6, "a"}, {5, 5, "b"}}, "are there twice");
  refused({{0, 10, "a"}, {10, 0, "b"}}, "or empty");
  refused({{0, 11, "a"}}, "leaves its 10 rows");
  refused({{~0ULL, 2, "a"}}, "leaves its 10 rows");
  refused({{2, ~0ULL, "a"}}, "leaves its 10 rows");
  refused({{0, 5, "a"}, {5, 5, "a"}}, "two slices are in 'a'");
  SliceTable table = table_of({{5, 5, "b"}, {0, 5, "a"}});
  check_slices(table, "t", ExitCode::bug);
  EXPECT_EQ(table.weights[0].slices[0].file, "a");
  table.weights.push_back(table.weights[0]);
  expect_error(ExitCode::bug, "appears twice", [&] { check_slices(table, "t", ExitCode::bug); });
  SliceTable odd = {{{{"scalar", Dtype::int64, {}}, {{0, 1, "a"}}}},
                    {{{"none", Dtype::int64, {0, 3}}, {{0, 0, "a"}}}}};
  check_slices(odd, "t", ExitCode::bug);
}

TEST(Slices, TableAndBackIsTheSame) {
  Manifest manifest;
  EXPECT_FALSE(has_slices(manifest));
  expect_error(ExitCode::cannot_load, "is not that of a checkpoint",
               [&] { slices_of(manifest, "m"); });
  put_slices(three, manifest);
  EXPECT_EQ(slices_of(parse_manifest(manifest_text(manifest), "m"), "m"), three);
}

TEST(Slices, TableOfAnotherFormIsRefused) {
  const auto refused = [](const char* text, const std::string& part) {
    Manifest manifest;
    manifest.more["slices"] = Json::parse(text);
    expect_error(ExitCode::cannot_load, part, [&] { slices_of(manifest, "m"); });
  };
  refused("[]", "holds something that is no object");
  refused("{}", "lacks weights");
  refused(R"({"weights": {}, "optimizer": []})", "weights is no array");
  refused(R"({"weights": [1], "optimizer": []})", "no object");
  refused(R"({"weights": [{"name": 1}], "optimizer": []})", "name is no text");
  refused(R"({"weights": [{"name": "w", "dtype": "int3"}]})", "an unknown dtype");
  refused(R"({"weights": [{"name": "w", "dtype": "int8", "shape": [-1]}]})",
          "holds -1 for a number");
  refused(R"({"weights": [{"name": "w", "dtype": "int8", "shape": [4294967296, 4294967296],
              "slices": []}], "optimizer": []})",
          "overflows");
}

TEST(Slices, OfSeveralFoldersMustBeOfOneTable) {
  const Pieces one;
  const Pieces two(table_of({{0, 4, "model-r00000.h5"}}, 4));
  std::vector<SliceFolder> folders;
  for (const Pieces* pieces : {&one, &two})
    folders.push_back({pieces->folder.path(), read_manifest(pieces->folder.path()), false});
  expect_error(ExitCode::cannot_load, "their slice tables differ",
               [&] { SliceReader{std::move(folders)}; });
}

}  // namespace
}  // namespace fg::store
