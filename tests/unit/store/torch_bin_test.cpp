#include <cstring>

#include <gtest/gtest.h>

#include <fg/base/file.hpp>
#include <fg/store/torch_bin.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "byte_text.hpp"
#include "state_dict_pickle.hpp"
#include "zip_directory.hpp"
#include "zip_plan.hpp"

namespace fg::store {
namespace {

using test::expect_error;
using test::TemporaryFolder;

/// {"w": tensor over 4 floats}, with one-byte numbers.
std::string pickle_of(std::string offset, std::string size, std::string stride) {
  using namespace std::string_literals;
  return "\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(("
         "X\x07\0\0\0storagectorch\nFloatStorage\n"
         "X\x01\0\0\0000X\x03\0\0\0cpuK\x04tQ"s +
         offset + "(" + size + "t(" + stride + "t\x89" + "ccollections\nOrderedDict\n)RtRs.";
}

const std::string k0{"K\0", 2};
const std::string k2 = "K\x02";
const std::string k4 = "K\x04";

void expect_pickle_refused(const std::string& rule, const std::string& pickle) {
  expect_error(ExitCode::cannot_load, rule, [&] { read_state_dict_pickle(pickle, "f.bin"); });
}

TEST(StateDictPickle, ReadsATensorWithItsPlaceInTheStorage) {
  const PickledStateDict state = read_state_dict_pickle(pickle_of(k0, k2 + k2, "K\x01" + k2), "f");

  ASSERT_EQ(state.tensors.size(), 1u);
  EXPECT_EQ(state.tensors[0].info, (TensorInfo{"w", Dtype::float32, {2, 2}}));
  EXPECT_EQ(state.tensors[0].strides, (std::vector<std::uint64_t>{1, 2}));
  ASSERT_EQ(state.storages.size(), 1u);
  EXPECT_EQ(state.storages[0].count, 4u);
}

TEST(StateDictPickle, RefusesTensorsThatLeaveTheirStorage) {
  expect_pickle_refused("past the end of its storage", pickle_of("K\x01", k4, "K\x01"));
  expect_pickle_refused("past the end of its storage", pickle_of(k0, k2 + k2, k4 + "K\x01"));
  expect_pickle_refused("negative", pickle_of("J\xff\xff\xff\xff", k4, "K\x01"));
  expect_pickle_refused("more elements", pickle_of(k0, "K\x05", k0));
}

TEST(StateDictPickle, RefusesEveryOtherNameAndRunsNothing) {
  expect_pickle_refused("posix.system",
                        "\x80\x02"
                        "cposix\nsystem\n.");
  expect_pickle_refused("instruction 0x69", "\x80\x02iposix\nsystem\n.");
}

TEST(StateDictPickle, RefusesEveryPrefixOfAGoodOne) {
  const std::string whole = pickle_of(k0, k4, "K\x01");
  read_state_dict_pickle(whole, "f");
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(read_state_dict_pickle(std::string_view(whole).substr(0, size), "f"), Error);
}

TEST(TorchBinWriter, WritesWhatTheReaderReads) {
  const TemporaryFolder folder;
  const std::vector<TensorInfo> tensors = {{"z", Dtype::uint8, {3}},
                                           {"a", Dtype::float64, {2, 0}},
                                           {"s", Dtype::bfloat16, {}},
                                           {"m", Dtype::float16, {300, 300}}};
  write_numbered(*create_torch_bin(folder / "a", tensors));

  const auto reader = open_torch_bin(folder / "a");

  ASSERT_TRUE(std::ranges::equal(reader->tensors(), tensors));
  for (unsigned index = 0; index < 4; ++index)
    EXPECT_EQ(read_whole(*reader, index), numbered_bytes(byte_count(tensors[index]), index));
}

TEST(TorchBinWriter, GivesTheSameBytesForPiecesInAnyOrder) {
  const TemporaryFolder folder;
  const std::vector<TensorInfo> tensors = {{"w", Dtype::uint8, {1000}}};
  write_numbered(*create_torch_bin(folder / "a", tensors));
  const auto writer = create_torch_bin(folder / "b", tensors);
  const std::vector<std::byte> bytes = numbered_bytes(1000);
  for (const std::size_t begin : {600u, 0u, 800u, 400u, 200u})
    writer->write(0, begin, std::span(bytes).subspan(begin, 200));
  writer->finish();

  EXPECT_EQ(read_text(folder / "a", 1 << 20), read_text(folder / "b", 1 << 20));
}

TEST(TorchBinWriter, LeavesNoValidFileWithoutFinish) {
  const TemporaryFolder folder;
  create_torch_bin(folder / "a", {{"w", Dtype::uint8, {300}}})->write(0, 0, numbered_bytes(300));

  expect_error(ExitCode::cannot_load, "not a file of torch.save",
               [&] { open_torch_bin(folder / "a"); });
}

TEST(TorchBinReader, RefusesTheFormatBefore16WithTheRemedy) {
  const TemporaryFolder folder;
  write_synced(folder / "a", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.");

  expect_error(ExitCode::cannot_load, "save it again", [&] { open_torch_bin(folder / "a"); });
}

TEST(ZipPlan, SaysNumbersAbove4GibInZip64FieldsThatTheReaderFinds) {
  const TemporaryFolder folder;
  ZipPlan plan;
  plan.add("a/small", 10);
  plan.add("a/big", (std::uint64_t{5} << 30) + 1);
  plan.add("a/behind", 20);
  const std::vector<std::uint32_t> crcs = {1, 2, 3};
  OutputFile file(folder / "sparse");
  for (std::size_t index = 0; index < 3; ++index)
    file.write_at(plan.entries()[index].header,
                  bytes_of(plan.local_header(plan.entries()[index], crcs[index])));
  file.write_at(plan.directory_begin(), bytes_of(plan.directory(crcs)));
  file.finish();

  const MappedFile mapped(folder / "sparse");
  const std::vector<ZipEntry> entries = read_zip_directory(mapped.bytes(), "sparse");

  ASSERT_EQ(entries.size(), 3u);  // by name: behind, big, small
  for (const std::size_t index : {0u, 1u, 2u}) {
    EXPECT_EQ(plan.entries()[index].begin % 64, 0u);
    const ZipEntry& entry = entries[index == 0 ? 2 : index == 1 ? 1 : 0];
    EXPECT_EQ(entry.name, plan.entries()[index].name);
    EXPECT_EQ(entry.begin, plan.entries()[index].begin);
    EXPECT_EQ(entry.size, plan.entries()[index].size);
  }
}

TEST(ZipDirectory, RefusesAnEntryInsideAnother) {
  ZipPlan plan;
  plan.add("a/outer", 200);
  plan.add("a/inner", 0);
  const ZipPlan::Entry& outer = plan.entries()[0];
  std::string archive = plan.local_header(outer, 0);
  const std::uint32_t inside = static_cast<std::uint32_t>(archive.size()) + 8;
  archive += std::string(8, 'x') + plan.local_header(plan.entries()[1], 0);
  archive.resize(plan.entries()[1].header, 'x');
  archive += plan.local_header(plan.entries()[1], 0) + plan.directory({0, 0});
  EXPECT_EQ(read_zip_directory(bytes_of(archive), "f").size(), 2u);

  std::memcpy(archive.data() + archive.rfind("a/inner") - 4, &inside, 4);

  expect_error(ExitCode::cannot_load, "'a/outer' and 'a/inner' overlap",
               [&] { read_zip_directory(bytes_of(archive), "f"); });
}

TEST(ZipPlan, Says65535EntriesAndMoreInAZip64EndRecord) {
  ZipPlan plan;
  std::string archive;
  for (int index = 0; index < 70'000; ++index) plan.add("a/" + std::to_string(index), 0);
  for (const ZipPlan::Entry& entry : plan.entries()) archive += plan.local_header(entry, 0);
  archive += plan.directory(std::vector<std::uint32_t>(70'000));

  EXPECT_EQ(read_zip_directory(bytes_of(archive), "many").size(), 70'000u);
}

}  // namespace
}  // namespace fg::store
