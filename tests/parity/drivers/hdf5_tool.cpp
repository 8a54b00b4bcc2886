/// Drives lib/store for the tests in Python:
///   hdf5_tool dump FILE DATA           one JSON line a tensor; the bytes of all, in order, to DATA
///   hdf5_tool make SPEC DATA FILE WAY  the reverse; WAY is forward, backward or the bytes of a
///   piece hdf5_tool manifest|verify FOLDER hdf5_tool require FOLDER FILE hdf5_tool stage TARGET
///   WORD [overwrite]   a staged folder of two files filled with WORD hdf5_tool same SOURCE TARGET
///   hdf5_tool speed FILE MIB           writes, reads and hashes bf16 tensors; prints seconds of
///   each
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
#include <fg/store/hdf5.hpp>
#include <fg/store/manifest.hpp>
#include <fg/store/staged_folder.hpp>

namespace {

using namespace fg;
using namespace fg::store;
using Words = std::vector<std::string>;

void dump(const Words& words) {
  const auto reader = open_hdf5(words.at(0));
  OutputFile data(words.at(1));
  for (std::size_t i = 0; i < reader->tensors().size(); ++i) {
    const TensorInfo& tensor = reader->tensors()[i];
    const Json line = {
        {"name", tensor.name}, {"dtype", name_of(tensor.dtype)}, {"shape", tensor.shape}};
    std::cout << line.dump() << '\n';
    std::vector<std::byte> bytes(byte_count(tensor));
    reader->read(i, 0, bytes);
    data.write(bytes);
  }
  data.finish();
}

void make(const Words& words) {
  const Json spec = read_json(words.at(0));
  const MappedFile data(words.at(1));
  std::vector<TensorInfo> tensors;
  std::vector<std::span<const std::byte>> parts;
  std::size_t begin = 0;
  for (const Json& row : spec) {
    tensors.push_back({row.at("name").get<std::string>(),
                       parse_dtype(row.at("dtype").get<std::string>()).value(),
                       row.at("shape").get<std::vector<std::uint64_t>>()});
    parts.push_back(data.bytes().subspan(begin, byte_count(tensors.back())));
    begin += parts.back().size();
  }
  const auto writer = create_hdf5(words.at(2), tensors);
  const bool backward = words.at(3) == "backward";
  const std::size_t piece = std::isdigit(words[3][0]) ? std::stoul(words[3]) : data.bytes().size();
  for (std::size_t n = 0; n < parts.size(); ++n) {
    const std::size_t i = backward ? parts.size() - 1 - n : n;
    for (std::size_t at = 0; at < parts[i].size(); at += piece)
      writer->write(i, at, parts[i].subspan(at, std::min(piece, parts[i].size() - at)));
  }
  writer->finish();
}

void stage(const Words& words) {
  const bool overwrite = words.size() > 2 && words[2] == "overwrite";
  StagedFolder folder(words.at(0), overwrite ? Overwrite::yes : Overwrite::no);
  const auto bytes = std::as_bytes(std::span(words.at(1)));
  const auto writer =
      create_hdf5(folder.path() / "model.h5", {{"word", Dtype::uint8, {bytes.size()}}});
  writer->write(0, 0, bytes);
  writer->finish();
  write_synced(folder.path() / "config.json", "{\"word\": \"" + words[1] + "\"}\n");
  write_manifest(folder.path());
  folder.commit();
}

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void speed(const Words& words) {
  constexpr std::size_t tensor_bytes = 32 << 20;
  std::vector<std::byte> piece(4 << 20, std::byte{0x3f});
  std::vector<TensorInfo> tensors(std::stoul(words.at(1)) * (1 << 20) / tensor_bytes);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    tensors[i] = {"layers." + std::to_string(i), Dtype::bfloat16, {4096, tensor_bytes / 2 / 4096}};
  const auto each_piece = [&](auto&& action) {
    for (std::size_t i = 0; i < tensors.size(); ++i)
      for (std::size_t at = 0; at < tensor_bytes; at += piece.size()) action(i, at);
  };
  const double written = seconds_of([&] {
    const auto writer = create_hdf5(words.at(0), tensors);
    each_piece([&](std::size_t i, std::size_t at) { writer->write(i, at, piece); });
    writer->finish();
  });
  const double read = seconds_of([&] {
    const auto reader = open_hdf5(words[0]);
    each_piece([&](std::size_t i, std::size_t at) { reader->read(i, at, piece); });
  });
  const double hashed = seconds_of([&] { record_of_file(words[0]); });
  std::cout << Json{{"write", written}, {"read", read}, {"hash", hashed}}.dump() << '\n';
}

const std::map<std::string, std::function<void(const Words&)>> commands = {
    {"dump", dump},
    {"make", make},
    {"stage", stage},
    {"speed", speed},
    {"manifest", [](const Words& words) { write_manifest(words.at(0)); }},
    {"verify", [](const Words& words) { verify_manifest(words.at(0)); }},
    {"require", [](const Words& words) { require_listed(words.at(0), words.at(1)); }},
    {"same", [](const Words& words) { refuse_same_folder(words.at(0), words.at(1)); }}};

}  // namespace

int main(int count, char** words) {
  try {
    commands.at(count > 1 ? words[1] : "")(Words(words + 2, words + count));
    return 0;
  } catch (const fg::Error& error) {
    std::cerr << error.what() << '\n';
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::cerr << "hdf5_tool: " << error.what() << '\n';
    return static_cast<int>(fg::ExitCode::usage);
  }
}
