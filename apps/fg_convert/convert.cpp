#include "convert.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>

#include <fg/arch/config_json.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/base/json.hpp>
#include <fg/log/log.hpp>
#include <fg/session/signals.hpp>
#include <fg/store/manifest.hpp>
#include <fg/store/staged_folder.hpp>

#include "plan.hpp"
#include "verify.hpp"
#include "weights.hpp"

namespace fg::convert {
namespace {

namespace fs = std::filesystem;

/// Room for what is no tensor: headers, tokenizer files, manifest.
constexpr std::uint64_t small_file_allowance = 64 << 20;

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

/// All ranks must have decided the same, or the folder would be a patchwork.
void compare_plans(session::Session& session, const std::string& mine) {
  const std::string first = session.broadcast(mine);
  session.together([&] {
    if (first != mine)
      fail(ExitCode::ranks_disagree,
           "this rank sees another source than rank 0; is SRC the same folder "
           "on every node?\nrank 0:\n" +
               first + "this rank:\n" + mine);
  });
}

void write_small_files(const Plan& plan, const fs::path& folder) {
  for (const SmallFile& file : plan.files) {
    const fs::path path = folder / file.path;
    fs::create_directories(path.parent_path());
    write_synced(path, file.text);
  }
  if (plan.direction == Direction::to_fg) store::write_manifest(folder);
}

}  // namespace

void convert(session::Session& session, const Options& options) {
  session.together([&] { store::refuse_same_folder(options.source, options.target); });
  check_source(session, options.source);
  std::optional<store::ModelWeights> weights;
  Plan plan;
  std::string description;
  session.together([&] {
    require_config(options.source);
    weights.emplace(options.source);
    plan = make_plan(options, *weights);
    description = describe(plan, options);
  });
  compare_plans(session, description);
  if (session.is_first()) {
    std::fputs(description.c_str(), stdout);
    std::fflush(stdout);
    for (const std::string& warning : plan.warnings) log::warning(warning);
  }
  if (options.dry_run) {
    if (session.is_first()) std::fputs("  dry run: nothing was written\n", stdout);
    return;
  }

  std::optional<store::StagedFolder> staged;  // rank 0's; leaving removes it unless committed
  std::string staging;
  session.together([&] {
    if (!session.is_first()) return;
    staged.emplace(options.target, options.overwrite);
    store::require_space(staged->path(), plan.weight_bytes + small_file_allowance);
    staging = staged->path().string();
  });
  const fs::path folder = session.broadcast(staging);
  const auto shards_of = divide_shards(plan, session.size());
  const auto& mine = shards_of[static_cast<std::size_t>(session.rank())];
  session.together([&] { write_shards(plan, mine, *weights, folder); });
  session.together([&] {
    if (session.is_first()) write_small_files(plan, folder);
  });
  if (options.verify) {
    session.together([&] {
      verify_shards(plan, mine, *weights, folder);
      if (session.is_first()) verify_tokenizer(plan, options.source, folder);
    });
  }
  session.together([&] {
    if (!session.is_first()) return;
    session::check_for_stop();
    staged->commit();
  });
  if (!session.is_first()) return;
  const std::string verified = options.verify ? ", every tensor and the tokenizer verified" : "";
  std::fputs(("done: " + options.target.string() + verified + "\n").c_str(), stdout);
}

}  // namespace fg::convert
