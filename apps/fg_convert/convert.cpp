#include "convert.hpp"

#include <algorithm>
#include <optional>

#include <fg/model_folder/plan.hpp>
#include <fg/model_folder/source.hpp>
#include <fg/model_folder/write.hpp>
#include <fg/session/signals.hpp>
#include <fg/store/manifest.hpp>
#include <fg/store/staged_folder.hpp>

namespace fg::convert {
namespace {

namespace fs = std::filesystem;

/// Files of this folder that its manifest must vouch for, in name order.
std::vector<std::string> files_to_check(const fs::path& source) {
  std::vector<std::string> names;
  if (!fs::is_directory(source)) return names;
  const bool has_manifest = fs::exists(source / store::manifest_name);
  for (const auto& entry : fs::directory_iterator(source)) {
    const std::string name = entry.path().filename().string();
    const std::string kind = entry.path().extension().string();
    // HDF5 is opened only on a manifest's word; of the others a manifest is taken where there is
    // one.
    const bool is_ours = name.starts_with("model") && kind == ".h5";
    if (is_ours || (has_manifest && (kind == ".safetensors" || kind == ".bin")))
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The hashes of the source's files, divided among the ranks.
void check_source(session::Session& session, const fs::path& source) {
  session.together([&] {
    const auto names = files_to_check(source);
    if (names.empty()) return;
    const auto manifest = store::read_manifest(source);
    for (std::size_t i = 0; i < names.size(); ++i) {
      session::check_for_stop();
      if (static_cast<int>(i % static_cast<std::size_t>(session.size())) == session.rank())
        store::require_listed(manifest, source, names[i]);
    }
  });
}

}  // namespace

void convert(session::Session& session, const model_folder::Options& options) {
  session.together([&] { store::refuse_same_folder(options.source, options.target); });
  check_source(session, options.source);
  std::optional<model_folder::FolderSource> source;
  model_folder::Plan plan;
  session.together([&] {
    model_folder::require_config(options.source);
    source.emplace(options.source);
    plan = model_folder::make_plan(model_folder::conversion_of(options.source), options, *source);
  });
  model_folder::write_folder(session, plan, options, *source);
}

}  // namespace fg::convert
