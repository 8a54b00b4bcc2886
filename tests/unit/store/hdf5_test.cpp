#include <cstdlib>

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fg/base/file.hpp>
#include <fg/store/hdf5.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "hdf5_calls.hpp"

namespace fg::store {
namespace {

using test::expect_error;
using test::TemporaryFolder;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string read_all(TensorFileReader& reader, std::size_t index) {
  std::string text(byte_count(reader.tensors()[index]), '\0');
  reader.read(index, 0, std::as_writable_bytes(std::span(text)));
  return text;
}

const std::vector<TensorInfo> three = {
    {"b", Dtype::bfloat16, {2, 2}}, {"scalar", Dtype::float32, {}}, {"a", Dtype::int64, {0, 7}}};

void write_three(const std::filesystem::path& path) {
  const auto writer = create_hdf5(path, three);
  writer->write(1, 0, bytes_of("wxyz"));
  writer->write(0, 4, bytes_of("efgh"));
  writer->write(0, 0, bytes_of("abcd"));
  writer->finish();
}

TEST(Hdf5, GivesBackTensorsInTheirOrder) {
  const TemporaryFolder folder;
  write_three(folder / "model.h5");

  const auto reader = open_hdf5(folder / "model.h5");

  EXPECT_EQ(std::vector(reader->tensors().begin(), reader->tensors().end()), three);
  EXPECT_EQ(read_all(*reader, 0), "abcdefgh");
  EXPECT_EQ(read_all(*reader, 1), "wxyz");
  EXPECT_EQ(read_all(*reader, 2), "");
}

TEST(Hdf5, ReadsPieces) {
  const TemporaryFolder folder;
  write_three(folder / "model.h5");
  const auto reader = open_hdf5(folder / "model.h5");
  std::string piece(3, '\0');

  reader->read(0, 3, std::as_writable_bytes(std::span(piece)));

  EXPECT_EQ(piece, "def");
  expect_error(ExitCode::bug, "internal check",
               [&] { reader->read(0, 6, std::as_writable_bytes(std::span(piece))); });
}

TEST(Hdf5, HoldsNoTensorAtAll) {
  const TemporaryFolder folder;
  create_hdf5(folder / "model.h5", {})->finish();

  EXPECT_TRUE(open_hdf5(folder / "model.h5")->tensors().empty());
}

TEST(Hdf5, DoesNotOpenBeforeFinish) {
  const TemporaryFolder folder;
  const auto writer = create_hdf5(folder / "model.h5", {{"a", Dtype::uint8, {4}}});
  writer->write(0, 0, bytes_of("abcd"));

  expect_error(ExitCode::cannot_load, "does not begin as an HDF5 file",
               [&] { open_hdf5(folder / "model.h5"); });
  writer->finish();
  EXPECT_EQ(read_all(*open_hdf5(folder / "model.h5"), 0), "abcd");
}

TEST(Hdf5, FinishWantsEveryByte) {
  const TemporaryFolder folder;
  const auto writer = create_hdf5(folder / "model.h5", {{"a", Dtype::uint8, {4}}});
  writer->write(0, 0, bytes_of("abc"));

  expect_error(ExitCode::bug, "internal check", [&] { writer->finish(); });
  expect_error(ExitCode::bug, "internal check", [&] { writer->write(0, 3, bytes_of("de")); });
  expect_error(ExitCode::bug, "internal check", [&] { writer->write(1, 0, bytes_of("d")); });
}

TEST(Hdf5, DoesNotWriteOverAFile) {
  const TemporaryFolder folder;
  write_synced(folder / "model.h5", "mine");

  expect_error(ExitCode::cannot_save, "cannot create",
               [&] { create_hdf5(folder / "model.h5", three); });
  EXPECT_EQ(read_text(folder / "model.h5", 10), "mine");
}

TEST(Hdf5, RefusesATensorTooLargeForTheDiskBeforeAnyWork) {
  const TemporaryFolder folder;

  expect_error(ExitCode::cannot_save, "cannot reserve", [&] {
    create_hdf5(folder / "a.h5", {{"a", Dtype::uint8, {std::uint64_t{1} << 50}}});
  });
  expect_error(ExitCode::cannot_save, "'b': the size of its shape overflows", [&] {
    create_hdf5(folder / "b.h5", {{"b", Dtype::int64, {std::uint64_t{1} << 32, 1u << 30}}});
  });
  constexpr std::uint64_t huge = std::uint64_t{1} << 60;
  expect_error(ExitCode::cannot_save, "'c' is too large", [&] {
    create_hdf5(folder / "b.h5", {{"b", Dtype::uint8, {huge}}, {"c", Dtype::uint8, {huge}}});
  });
  EXPECT_FALSE(std::filesystem::exists(folder / "b.h5"));
}

/// HDF5 does not recover from a full disk, so it must never meet one.
TEST(Hdf5, SurvivesEveryStageOfAFullDisk) {
  const TemporaryFolder folder;
  const std::filesystem::path disk = folder / "disk";
  std::filesystem::create_directory(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=4m") != 0)
    GTEST_SKIP() << "[mount] needs root for a small disk";
  int refused = 0;
  for (std::uint64_t size = 1 << 20; size < (6 << 20); size += 200'000) {
    try {
      const std::vector<std::byte> bytes(size);
      const auto writer = create_hdf5(disk / "a.h5", {{"a", Dtype::uint8, {size}}});
      writer->write(0, 0, bytes);
      writer->finish();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::cannot_save);
      EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos) << error.what();
      ++refused;
    }
    std::filesystem::remove(disk / "a.h5");
  }
  ::umount(disk.c_str());

  EXPECT_GT(refused, 5);
  EXPECT_LT(refused, 24);
}

TEST(H5Check, TurnsAFailureIntoOneLineAndPrintsNothing) {
  const H5Session session;
  const H5Check h5_check{ExitCode::cannot_load, "model.h5"};
  testing::internal::CaptureStderr();

  expect_error(ExitCode::cannot_load, "model.h5: cannot open: HDF5 says: ", [&] {
    h5_check.id(H5Fopen("/no/such/file", H5F_ACC_RDONLY, H5P_DEFAULT), "open");
  });
  expect_error(ExitCode::cannot_load, "No such file",
               [&] { h5_check.id(H5Fopen("/no/such/file", H5F_ACC_RDONLY, H5P_DEFAULT), "open"); });

  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(H5Session, SwitchesPlugInsOff) {
  const H5Session session;
  unsigned state = ~0u;
  H5PLget_loading_state(&state);

  EXPECT_EQ(state, 0u);
}

}  // namespace
}  // namespace fg::store
