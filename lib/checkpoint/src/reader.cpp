#include <utility>

#include <fg/base/error.hpp>
#include <fg/checkpoint/reader.hpp>
#include <fg/checkpoint/save.hpp>

#include "checkpoint_files.hpp"
#include "save_plan.hpp"

namespace fg::checkpoint {

namespace fs = std::filesystem;

JsonFields::JsonFields(Json value, std::string name)
    : value_(std::move(value)), name_(std::move(name)) {
  if (!value_.is_object()) fail(ExitCode::cannot_load, name_ + ": is no JSON object");
}

bool JsonFields::has(const std::string& key) const {
  return value_.contains(key);
}

const Json& JsonFields::member(const std::string& key) const {
  const auto found = value_.find(key);
  if (found == value_.end()) fail(ExitCode::cannot_load, name_ + ": '" + key + "' is missing");
  return *found;
}

void JsonFields::refuse(const std::string& key, const char* wanted) const {
  fail(ExitCode::cannot_load, name_ + ": '" + key + "' is not " + wanted);
}

std::uint64_t JsonFields::whole_number(const std::string& key) const {
  if (!member(key).is_number_unsigned()) refuse(key, "a whole number");
  return member(key).get<std::uint64_t>();
}

double JsonFields::number(const std::string& key) const {
  if (!member(key).is_number()) refuse(key, "a number");
  return member(key).get<double>();
}

bool JsonFields::truth(const std::string& key) const {
  if (!member(key).is_boolean()) refuse(key, "true or false");
  return member(key).get<bool>();
}

const std::string& JsonFields::text(const std::string& key) const {
  if (!member(key).is_string()) refuse(key, "a text");
  return member(key).get_ref<const std::string&>();
}

JsonFields JsonFields::object(const std::string& key) const {
  if (!member(key).is_object()) refuse(key, "an object");
  return {member(key), name_ + ": '" + key + "'"};
}

const Json& JsonFields::array(const std::string& key) const {
  if (!member(key).is_array()) refuse(key, "an array");
  return member(key);
}

struct Reader::Opened {
  static Json parse_told(const Json& text) {
    constexpr JsonLimits limits = {std::uint64_t{1} << 30, 64};
    return parse_json(text.get_ref<const std::string&>(), "what a rank told", limits,
                      ExitCode::bug);
  }

  std::vector<store::SliceFolder> folders;
  Info info;
  Json trainer;
  std::string name;

  /// What another rank told of a checkpoint that has no files here.
  Opened(const fs::path& folder, const Json& told) : name(folder.string()) {
    store::Manifest manifest;
    manifest.more = parse_told(told.at("more"));
    info = info_of(manifest, name + "/" + std::string(store::manifest_name));
    trainer = parse_told(told.at("trainer"));
    folders.push_back({folder, std::move(manifest), true});
  }

  Opened(std::span<const fs::path> pieces, bool verified) {
    FG_CHECK(!pieces.empty());
    name = pieces.front().string();
    for (const fs::path& piece : pieces) {
      const Described described = describe(piece);
      if (folders.empty()) {
        info = described.info;
        trainer = read_trainer(piece, described);
      }
      if (described.info.step != info.step || described.info.world != info.world)
        fail(ExitCode::cannot_load,
             piece.string() + ": is of step " + std::to_string(described.info.step) + ", " + name +
                 " of step " + std::to_string(info.step) + "; pieces of one checkpoint are wanted");
      if (described.info.save != info.save)
        fail(ExitCode::cannot_load, piece.string() + ": is of another save of step " +
                                        std::to_string(info.step) + " than " + name +
                                        "; pieces of one checkpoint are wanted");
      folders.push_back({piece, described.manifest, verified});
    }
  }
};

Reader::Reader(Opened opened)
    : step_(opened.info.step),
      world_(opened.info.world),
      trainer_(std::move(opened.trainer), opened.name + "/" + std::string(trainer_name)),
      name_(std::move(opened.name)),
      slices_(std::move(opened.folders)) {}

Reader::Reader(const fs::path& checkpoint) : Reader(Opened(std::span(&checkpoint, 1), false)) {}

Reader::Reader(const Choice& choice) : Reader(Opened(std::span(&choice.folder, 1), true)) {}

Reader::Reader(std::span<const fs::path> pieces) : Reader(Opened(pieces, false)) {}

Reader open(session::Session& session, const Choice& choice) {
  if (!choice.lender) return Reader(choice);
  std::optional<Reader> reader;
  Json mine;
  session.together([&] {
    if (choice.is_here) reader.emplace(choice);
    if (session.rank() != *choice.lender) return;
    mine = {{"more", store::read_manifest(choice.folder).more.dump()},
            {"trainer", reader->trainer().value().dump()}};
  });
  const Json told = tell_all(session, mine);
  if (!reader) {
    const Json& lent = told.at(static_cast<std::size_t>(*choice.lender));
    reader.emplace(Reader(Reader::Opened(choice.folder, lent)));
  }
  return *std::move(reader);
}

std::span<const store::SlicedTensor> Reader::tensors(store::TensorUse use) const {
  return slices_.table().of(use);
}

const store::TensorInfo* Reader::find(store::TensorUse use, std::string_view name) const {
  const std::optional<std::size_t> index = slices_.find(use, name);
  return index ? &slices_.table().of(use)[*index].info : nullptr;
}

void Reader::read(store::TensorUse use, std::string_view name, std::uint64_t first_row,
                  std::uint64_t rows, std::span<std::byte> out) {
  const std::optional<std::size_t> index = slices_.find(use, name);
  if (!index)
    fail(ExitCode::cannot_load, name_ + ": holds no tensor '" + std::string(name) + "' among its " +
                                    std::string(store::name_of(use)));
  const store::TensorInfo& info = slices_.table().of(use)[*index].info;
  const std::uint64_t total = store::row_count(info.shape);
  FG_CHECK(rows <= total && first_row <= total - rows);
  const std::uint64_t row_bytes = total == 0 ? 0 : store::byte_count(info) / total;
  FG_CHECK(out.size() == rows * row_bytes);
  slices_.read(use, *index, first_row * row_bytes, out);
}

void Reader::read(store::TensorUse use, std::string_view name, std::span<std::byte> out) {
  const store::TensorInfo* info = find(use, name);
  read(use, name, 0, info == nullptr ? 0 : store::row_count(info->shape), out);
}

}  // namespace fg::checkpoint
