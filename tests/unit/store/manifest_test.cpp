#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/store/manifest.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>

#include "manifest_text.hpp"

namespace fg::store {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using test::TemporaryFolder;

const std::string some_hash = "0123456789abcdef0123456789abcdef";

/// A folder with weights, a configuration and a manifest.
struct Model {
  TemporaryFolder folder;
  std::string weights = std::string(5000, '\0');

  Model() {
    std::mt19937 random(7);
    for (char& byte : weights) byte = static_cast<char>(random());
    write_synced(folder / "model.h5", weights);
    write_synced(folder / "config.json", "{\"a\": 1}\n");
    write_manifest(folder.path());
  }
  void replace(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name, std::ios::binary | std::ios::trunc) << text;
  }
  /// One byte in place: a thousand truncated files would each be flushed to the disk.
  void put(const std::string& name, std::size_t at, char byte) const {
    std::fstream file(folder / name, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at)).put(byte);
  }
};

TEST(Manifest, TextAndBackIsTheSame) {
  const Manifest manifest{{{"model.h5", {5, some_hash}}, {"ä \"q\"\n", {0, some_hash}}},
                          Json{{"step", 120}, {"slices", {1, 2, Json{{"x", nullptr}}}}}};
  const std::string text = manifest_text(manifest);

  EXPECT_EQ(parse_manifest(text, "m"), manifest);
  EXPECT_EQ(manifest_text(parse_manifest(text, "m")), text);
  EXPECT_EQ(parse_manifest(manifest_text({}), "m"), Manifest{});
}

TEST(Manifest, ListsTheFilesOfAFolder) {
  const Model model;
  fs::create_directory(model.folder / "sub");
  write_synced(model.folder / "sub/inner.h5", "x");
  write_synced(model.folder / ".hidden", "x");
  write_manifest(model.folder.path());  // over the older one

  const Manifest manifest = read_manifest(model.folder.path());

  EXPECT_EQ(manifest.files.size(), 2u);
  EXPECT_EQ(manifest.files.at("model.h5"), (FileRecord{5000, hash_text(model.weights)}));
  verify_manifest(model.folder.path());
  require_listed(model.folder.path(), "model.h5");
}

TEST(Manifest, TakesHashesFromWhoeverWroteTheFiles) {
  const Model model;
  write_manifest(model.folder.path(), {{{"config.json", {9, some_hash}}}, Json::object()});

  EXPECT_EQ(read_manifest(model.folder.path()).files.at("config.json").xxh3_128, some_hash);
  EXPECT_EQ(read_manifest(model.folder.path()).files.size(), 2u);
  expect_error(ExitCode::cannot_save, "has 9 bytes", [&] {
    write_manifest(model.folder.path(), {{{"config.json", {8, some_hash}}}, Json::object()});
  });
  expect_error(ExitCode::cannot_save, "is missing", [&] {
    write_manifest(model.folder.path(), {{{"no.h5", {8, some_hash}}}, Json::object()});
  });
}

TEST(Manifest, FindsEveryFlippedByteOfItself) {
  const Model model;
  const std::string text = read_text(model.folder / "manifest.json", 10'000);
  for (std::size_t at = 0; at < text.size(); ++at)
    for (const int mask : {0x01, 0x20, 0x80}) {
      std::string damaged = text;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      EXPECT_THROW(parse_manifest(damaged, "m"), Error) << "byte " << at;
    }
}

TEST(Manifest, FindsAThousandRandomFlips) {
  const Model model;
  std::mt19937 random(11);
  for (int i = 0; i < 1000; ++i) {
    const std::size_t at = random() % model.weights.size();
    model.put("model.h5", at, static_cast<char>(model.weights[at] ^ (1 << random() % 8)));

    expect_error(ExitCode::cannot_load, "model.h5: is damaged",
                 [&] { verify_manifest(model.folder.path()); });
    model.put("model.h5", at, model.weights[at]);
  }
  verify_manifest(model.folder.path());
}

TEST(Manifest, NamesTheFileThatIsCutMissingOrOfAnotherKind) {
  const Model model;
  const auto refused = [&](const std::string& part) {
    expect_error(ExitCode::cannot_load, part, [&] { verify_manifest(model.folder.path()); });
    expect_error(ExitCode::cannot_load, part,
                 [&] { require_listed(model.folder.path(), "model.h5"); });
  };
  model.replace("model.h5", model.weights.substr(1));
  refused("model.h5: has 4999 bytes, manifest.json says 5000");
  model.replace("model.h5", model.weights + "x");
  refused("model.h5: has 5001 bytes");
  model.replace("model.h5", "");
  refused("model.h5: has 0 bytes");
  fs::remove(model.folder / "model.h5");
  refused("model.h5: is missing");
  fs::create_directory(model.folder / "model.h5");
  refused("model.h5: not a regular file");
}

TEST(Manifest, AFileMoreIsFineUnlessItHoldsWeights) {
  const Model model;
  write_synced(model.folder / "notes.txt", "mine");
  verify_manifest(model.folder.path());

  write_synced(model.folder / "other.safetensors", "weights");
  expect_error(ExitCode::cannot_load, "other.safetensors: holds weights but is not listed",
               [&] { verify_manifest(model.folder.path()); });
}

TEST(Manifest, AFileThatIsNotListedIsNotOpened) {
  const Model model;
  write_synced(model.folder / "strange.h5", "x");
  expect_error(ExitCode::cannot_load, "strange.h5: is not listed",
               [&] { require_listed(model.folder.path(), "strange.h5"); });

  fs::remove(model.folder / "manifest.json");
  expect_error(ExitCode::cannot_load, "manifest.json: is missing",
               [&] { require_listed(model.folder.path(), "model.h5"); });
}

TEST(Manifest, RefusesWhatBreaksARule) {
  const auto refused = [](const std::string& files, const std::string& part) {
    const std::string text = "{\n \"format\": 1,\n \"files\": " + files + "\n}\n";
    expect_error(ExitCode::cannot_load, part, [&] { parse_manifest(seal(text), "m"); });
  };
  const std::string record = R"({"size": 1, "xxh3_128": ")" + some_hash + "\"}";
  const std::string name_too_long(256, 'n');
  for (const std::string& name :
       {std::string("a/b"), std::string("../b"), std::string("/b"), std::string(".."),
        std::string(""), std::string(".hidden"), std::string("manifest.json"),
        std::string("a\\u0000b"), name_too_long})
    refused("{\"" + name + "\": " + record + "}", "is not a plain file name");
  refused("{\"a\": " + record + ", \"a\": " + record + "}", "appears twice");
  refused("[]", "\"files\" must be an object");
  refused(R"({"a": {"size": 1}})", "must be an object of size and xxh3_128");
  refused(R"({"a": {"size": -1, "xxh3_128": ")" + some_hash + "\"}}", "is not a number of bytes");
  refused(R"({"a": {"size": 1.5, "xxh3_128": ")" + some_hash + "\"}}", "is not a number of bytes");
  refused(R"({"a": {"size": 18446744073709551615, "xxh3_128": ")" + some_hash + "\"}}",
          "is not a number of bytes");
  refused(R"({"a": {"size": 1, "xxh3_128": "0123"}})", "is not 32 hexadecimal digits");
  refused(R"({"a": {"size": 1, "xxh3_128": 3}})", "is not 32 hexadecimal digits");
  refused(R"({"a": {"size": 1, "xxh3_128": "0123456789ABCDEF0123456789ABCDEF"}})",
          "is not 32 hexadecimal digits");
}

TEST(Manifest, RefusesOtherFormatsAndUnsealedText) {
  const auto refused = [](const std::string& text, const std::string& part) {
    expect_error(ExitCode::cannot_load, part, [&] { parse_manifest(text, "m"); });
  };
  refused(seal("{\n \"format\": 2, \"files\": {}\n}\n"),
          "has the format 2, this program reads format 1");
  refused("{\n \"format\": 1, \"files\": {}\n}\n", "does not end in a \"check\"");
  refused(seal("{\n \"files\": {}\n}\n"), "is not a manifest");
  refused("[]", "is not a manifest");
  refused("", "m: ");
  refused(std::string(100, '['), "nested deeper");
}

TEST(Manifest, RefusesToListWhatIsNotPlain) {
  expect_error(ExitCode::cannot_save, "\"a/b\" is not a plain file name", [] {
    manifest_text({{{"a/b", {1, some_hash}}}, Json::object()});
  });
}

}  // namespace
}  // namespace fg::store
