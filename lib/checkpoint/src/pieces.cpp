#include "pieces.hpp"

#include <algorithm>

#include <fg/base/failpoint.hpp>
#include <fg/checkpoint/save.hpp>
#include <fg/store/hash.hpp>
#include <fg/store/slices.hpp>

namespace fg::checkpoint {
namespace {

constexpr std::size_t most_named = 4;

/// "a, b, c, d and 3 more".
std::string listed(const std::set<std::string>& names) {
  std::string text;
  std::size_t count = 0;
  for (const std::string& name : names) {
    if (count++ == most_named) break;
    text += (text.empty() ? "" : ", ") + name;
  }
  if (names.size() > most_named)
    text += " and " + std::to_string(names.size() - most_named) + " more";
  return text;
}

/// All that is equal in the pieces of one save and differs between two.
std::string save_of(const Described& described, const std::string& name) {
  const auto trainer = described.manifest.files.find(std::string(trainer_name));
  if (trainer == described.manifest.files.end())
    fail(ExitCode::cannot_load, name + ": does not list " + std::string(trainer_name));
  store::Hasher hasher;
  hasher.update(described.info.save + " " + std::to_string(described.info.step) + " " +
                std::to_string(described.info.world) + " " + trainer->second.xxh3_128 + " ");
  hasher.update(described.manifest.more.at("slices").dump());
  return hasher.hex();
}

}  // namespace

Piece piece_of(const std::filesystem::path& folder, const std::string& node,
               const Described& described) {
  const std::string name = (folder / store::manifest_name).string();
  const store::SliceTable table = store::slices_of(described.manifest, name);
  const std::string begin = node.empty() ? "" : "node " + node + ": ";
  Piece piece{begin + folder.string(), save_of(described, name), {}, {}};
  for (const store::TensorUse use : {store::TensorUse::weights, store::TensorUse::optimizer})
    for (const store::SlicedTensor& tensor : table.of(use))
      for (const store::Slice& slice : tensor.slices) {
        piece.wanted.insert(slice.file);
        if (described.manifest.files.contains(slice.file)) piece.files.insert(slice.file);
      }
  return piece;
}

Json to_json(const Piece& piece) {
  return {{"place", piece.place},
          {"save", piece.save},
          {"wanted", piece.wanted},
          {"files", piece.files}};
}

Piece piece_of(const Json& told) {
  return {told.at("place").get<std::string>(), told.at("save").get<std::string>(),
          told.at("wanted").get<std::set<std::string>>(),
          told.at("files").get<std::set<std::string>>()};
}

std::string why_not_whole(std::span<const Piece> pieces) {
  if (pieces.empty()) return "no node has a piece of it";
  const Piece& first = pieces.front();
  std::string places;
  std::set<std::string> missing = first.wanted;
  for (const Piece& piece : pieces) {
    if (piece.save != first.save && !fault_planted("checkpoint.two_saves_mixed"))
      return first.place + " and " + piece.place +
             " are of two saves, so they are no pieces of one checkpoint";
    for (const std::string& file : piece.files) missing.erase(file);
    places += (places.empty() ? "" : ", ") + piece.place;
  }
  if (missing.empty()) return "";
  return "it was saved on each node, and " + listed(missing) + " of it " +
         (missing.size() == 1 ? "is" : "are") + " not in what there is (" + places +
         "): the save was cut before every node had committed, or the pieces of the other nodes "
         "are needed too";
}

}  // namespace fg::checkpoint
