#include <cstdio>
#include <optional>

#include <fg/base/error.hpp>
#include <fg/base/file.hpp>
#include <fg/log/log.hpp>
#include <fg/model_folder/write.hpp>
#include <fg/session/signals.hpp>
#include <fg/store/manifest.hpp>
#include <fg/store/staged_folder.hpp>

#include "verify.hpp"
#include "weights.hpp"

namespace fg::model_folder {
namespace {

namespace fs = std::filesystem;

/// Room for what is no tensor: headers, tokenizer files, manifest.
constexpr std::uint64_t small_file_allowance = 64 << 20;

/// All ranks must have decided the same, or the folder would be a patchwork.
void compare_plans(session::Session& session, const std::string& mine) {
  const std::string first = session.broadcast(mine);
  session.together([&] {
    if (first != mine)
      fail(ExitCode::ranks_disagree,
           "this rank sees another source than rank 0; is it the same folder "
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
  if (plan.job == Job::to_hugging_face) return;
  store::Manifest manifest;
  if (!plan.slices.optimizer.empty()) store::put_slices(plan.slices, manifest);
  store::write_manifest(folder, std::move(manifest));
}

/// True if the work goes on behind it.
bool announce(session::Session& session, const Plan& plan, const Options& options) {
  const std::string description = describe(plan, options);
  compare_plans(session, description);
  if (!session.is_first()) return !options.dry_run;
  std::fputs(description.c_str(), stdout);
  if (options.dry_run) std::fputs("  dry run: nothing was written\n", stdout);
  std::fflush(stdout);
  for (const std::string& warning : plan.warnings) log::warning(warning);
  return !options.dry_run;
}

}  // namespace

void write_folder(session::Session& session, const Plan& plan, const Options& options,
                  Source& source) {
  if (!announce(session, plan, options)) return;

  std::optional<store::StagedFolder> staged;  // rank 0's; leaving removes it unless committed
  std::string staging;
  session.together([&] {
    if (!session.is_first()) return;
    staged.emplace(options.target, options.overwrite);
    store::require_space(staged->path(), plan.total_bytes + small_file_allowance);
    staging = staged->path().string();
  });
  const fs::path folder = session.broadcast(staging);
  const auto shards_of = divide_shards(plan, session.size());
  const auto& mine = shards_of[static_cast<std::size_t>(session.rank())];
  session.together([&] { write_shards(plan, mine, source, folder); });
  session.together([&] {
    if (session.is_first()) write_small_files(plan, folder);
  });
  if (options.verify) {
    session.together([&] {
      verify_shards(plan, mine, source, folder);
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

}  // namespace fg::model_folder
