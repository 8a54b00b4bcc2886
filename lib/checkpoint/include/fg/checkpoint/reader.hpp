#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fg/base/json.hpp>
#include <fg/checkpoint/choose.hpp>
#include <fg/store/slices.hpp>

namespace fg::checkpoint {

/// The values of a JSON object from a file, with the file's name in every message: a member that is
/// missing or of another type is Error(cannot_load), never an exception of the JSON library.
class JsonFields {
public:
  /// Error(cannot_load) unless `value` is an object.
  JsonFields(Json value, std::string name);

  const Json& value() const noexcept { return value_; }
  bool has(const std::string& key) const;
  std::uint64_t whole_number(const std::string& key) const;
  double number(const std::string& key) const;
  bool truth(const std::string& key) const;
  const std::string& text(const std::string& key) const;
  JsonFields object(const std::string& key) const;
  const Json& array(const std::string& key) const;

private:
  const Json& member(const std::string& key) const;
  [[noreturn]] void refuse(const std::string& key, const char* wanted) const;

  Json value_;
  std::string name_;
};

/// One checkpoint, open for reading: any rows of any logical tensor whatever layout wrote it. Each
/// file is compared with its hash before it is used; one that the manifest does not list is never
/// opened. Each rank has its own. Not thread-safe. Errors are Error(cannot_load).
class Reader {
public:
  /// A checkpoint folder; its files are verified as they are needed.
  explicit Reader(const std::filesystem::path& checkpoint);
  /// A checkpoint that `choose` has verified: files are not read twice. This rank's node must have
  /// its piece; `open` knows the case in which it has none.
  explicit Reader(const Choice& choice);
  /// The pieces of one checkpoint that was saved on each node. They must be of one step and table.
  explicit Reader(std::span<const std::filesystem::path> pieces);

  std::uint64_t step() const noexcept { return step_; }
  /// How many ranks wrote it.
  std::uint64_t world() const noexcept { return world_; }
  /// trainer.json: what the save was given, with "format" and "step" before it.
  const JsonFields& trainer() const noexcept { return trainer_; }

  /// All logical tensors of a use, in the order they were saved (rank by rank).
  std::span<const store::SlicedTensor> tensors(store::TensorUse use) const;
  /// Null where there is none of that name.
  const store::TensorInfo* find(store::TensorUse use, std::string_view name) const;
  /// Copies rows [first_row, first_row + rows) of the tensor; `out` has exactly their size.
  /// Error(cannot_load) where there is no such tensor.
  void read(store::TensorUse use, std::string_view name, std::uint64_t first_row,
            std::uint64_t rows, std::span<std::byte> out);
  /// The whole tensor.
  void read(store::TensorUse use, std::string_view name, std::span<std::byte> out);

  /// The files below, for `read_all`. `name` begins messages.
  store::SliceReader& slices() noexcept { return slices_; }
  const std::string& name() const noexcept { return name_; }

private:
  struct Opened;
  explicit Reader(Opened opened);
  friend Reader open(session::Session& session, const Choice& choice);

  std::uint64_t step_ = 0;
  std::uint64_t world_ = 1;
  JsonFields trainer_;
  std::string name_;
  store::SliceReader slices_;
};

/// Collective. What `choose` took, open on every rank. Of a checkpoint that was saved on each node
/// a rank whose node lacks a piece gets slice table and trainer.json from one that has it. `read`
/// then works for what lies in this node's files; `read_all` (read_all.hpp) for all. Without such
/// a rank it is Reader(choice) and sends nothing.
Reader open(session::Session& session, const Choice& choice);

}  // namespace fg::checkpoint
