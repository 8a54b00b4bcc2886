#pragma once

#include <filesystem>
#include <set>
#include <span>
#include <string>

#include "checkpoint_files.hpp"

namespace fg::checkpoint {

/// What one node's folder holds of a checkpoint.
struct Piece {
  std::string place;             // "node a: /run/checkpoints/checkpoint-120"
  std::string save;              // equal in pieces of one save
  std::set<std::string> wanted;  // the files that the slice table names
  std::set<std::string> files;   // those of them that the folder's manifest lists
};

/// `node` may be empty: the folder is then all ranks'. Error(cannot_load) for a slice table that
/// breaks a rule.
Piece piece_of(const std::filesystem::path& folder, const std::string& node,
               const Described& described);

/// For other ranks, and back.
Json to_json(const Piece& piece);
Piece piece_of(const Json& told);

/// Nothing if all are of one save and have all its files together, else why they are not whole.
std::string why_not_whole(std::span<const Piece> pieces);

}  // namespace fg::checkpoint
