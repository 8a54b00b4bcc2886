#include "checkpoint_files.hpp"

#include <cmath>
#include <cstdio>

#include <fg/base/error.hpp>
#include <fg/base/version.hpp>
#include <fg/checkpoint/choose.hpp>
#include <fg/checkpoint/save.hpp>

namespace fg::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr const char* info_key = "checkpoint";
constexpr std::uint64_t format_version = 1;
constexpr JsonLimits trainer_limits = {64 << 20, 64};

std::string ranked(const char* stem, int rank) {
  char text[64];
  std::snprintf(text, sizeof text, "%s-r%05d.h5", stem, rank);
  return text;
}

std::uint64_t whole(const Json& object, const char* key, const std::string& name) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned())
    fail(ExitCode::cannot_load, name + ": '" + key + "' is missing or no whole number");
  return found->get<std::uint64_t>();
}

void require_format(const Json& object, const std::string& name) {
  const std::uint64_t format = whole(object, "format", name);
  if (format != format_version)
    fail(ExitCode::cannot_load, name + ": has the format " + std::to_string(format) +
                                    ", this program reads format " +
                                    std::to_string(format_version));
}

}  // namespace

std::string model_file_name(int rank) {
  return ranked("model", rank);
}

std::string optimizer_file_name(int rank) {
  return ranked("optim", rank);
}

void put_info(const Info& info, store::Manifest& manifest) {
  Json& value = manifest.more[info_key] = {
      {"format", format_version}, {"step", info.step}, {"world", info.world}};
  if (info.metric && std::isfinite(*info.metric)) value["metric"] = *info.metric;
  if (!info.save.empty()) value["save"] = info.save;
  value["fg"] = version();
}

Info info_of(const store::Manifest& manifest, const std::string& name) {
  const auto found = manifest.more.find(info_key);
  if (found == manifest.more.end() || !found->is_object() || !store::has_slices(manifest))
    fail(ExitCode::cannot_load, name + ": is not that of a checkpoint");
  const std::string part = name + ": '" + info_key + "'";
  require_format(*found, part);
  Info info{whole(*found, "step", part), whole(*found, "world", part), std::nullopt, {}};
  const auto metric = found->find("metric");
  if (metric != found->end() && !metric->is_number())
    fail(ExitCode::cannot_load, part + ": 'metric' is no number");
  if (metric != found->end()) info.metric = metric->get<double>();
  const auto save = found->find("save");
  if (save != found->end() && !save->is_string())
    fail(ExitCode::cannot_load, part + ": 'save' is no text");
  if (save != found->end()) info.save = save->get<std::string>();
  return info;
}

Described describe(const fs::path& checkpoint) {
  Described described{store::read_manifest(checkpoint), {}};
  const std::string name = (checkpoint / store::manifest_name).string();
  described.info = info_of(described.manifest, name);
  const auto step = step_of_name(checkpoint.filename().string());
  if (step && *step != described.info.step)
    fail(ExitCode::cannot_load, name + ": is of step " + std::to_string(described.info.step) +
                                    ", not of the step in its folder's name");
  return described;
}

std::string trainer_text(const Json& trainer, std::uint64_t step) {
  FG_CHECK(trainer.is_object());
  Json document = {{"format", format_version}, {"step", step}};
  for (const auto& [key, value] : trainer.items())
    if (key != "format" && key != "step") document[key] = value;
  return document.dump(1) + "\n";
}

Json read_trainer(const fs::path& checkpoint, const Described& described) {
  const std::string file(trainer_name);
  store::require_listed(described.manifest, checkpoint, file);
  const std::string name = (checkpoint / file).string();
  Json trainer = read_json(checkpoint / file, trainer_limits);
  if (!trainer.is_object()) fail(ExitCode::cannot_load, name + ": is no JSON object");
  require_format(trainer, name);
  const std::uint64_t step = whole(trainer, "step", name);
  if (step != described.info.step)
    fail(ExitCode::cannot_load, name + ": is of step " + std::to_string(step) +
                                    ", the manifest beside it of step " +
                                    std::to_string(described.info.step));
  return trainer;
}

}  // namespace fg::checkpoint
