#include <algorithm>
#include <charconv>
#include <set>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/json.hpp>
#include <fg/checkpoint/choose.hpp>
#include <fg/checkpoint/run_folder.hpp>
#include <fg/log/log.hpp>
#include <fg/store/slices.hpp>

#include "checkpoint_files.hpp"
#include "save_plan.hpp"

namespace fg::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view start_of_name = "checkpoint-";

/// Everything but the bytes of the files that fall to other shares.
Described verify_share(const fs::path& checkpoint, std::size_t share, std::size_t shares) {
  Described described = describe(checkpoint);
  if (fault_planted("checkpoint.files_not_verified")) return described;
  store::slices_of(described.manifest, (checkpoint / store::manifest_name).string());
  store::verify_files(described.manifest, checkpoint, share, shares);
  read_trainer(checkpoint, described);
  return described;
}

/// Collective. The first rank's reason why the checkpoint is not whole, or "", on every rank.
std::string verify_together(session::Session& session, const fs::path& checkpoint,
                            const FolderGroup& group) {
  std::string reason;
  try {
    verify_share(checkpoint, group.index, group.size);
  } catch (const std::exception& error) {
    reason = error.what();
  }
  const std::vector<std::string> reasons = session.gather(reason);
  const auto first =
      std::ranges::find_if(reasons, [](const std::string& text) { return !text.empty(); });
  return session.broadcast(first == reasons.end() ? "" : *first);
}

[[noreturn]] void refuse_all(const fs::path& checkpoints, const std::string& newest_reason) {
  fail(ExitCode::cannot_load,
       checkpoints.string() + ": none of the checkpoints is whole; of the newest: " +
           newest_reason + ". Mend it, or move the folder away to begin anew");
}

void say_passed_over(session::Session& session, std::uint64_t step, const std::string& reason) {
  if (session.is_first()) log::warning(name_of_step(step) + " is passed over: " + reason);
}

std::vector<std::uint64_t> steps_here(const fs::path& checkpoints) {
  std::vector<std::uint64_t> steps;
  for (const Listed& listed : list_checkpoints(checkpoints)) steps.push_back(listed.step);
  return steps;
}

/// Collective. Rank 0's list; with `each_node` the steps that any node has.
std::vector<std::uint64_t> common_steps(session::Session& session, const fs::path& checkpoints,
                                        bool each_node) {
  std::vector<std::uint64_t> own;
  session.together([&] {
    if (session.is_first() || each_node) own = steps_here(checkpoints);
  });
  Json steps = own;
  if (each_node) {
    std::set<std::uint64_t, std::greater<>> any;
    for (const std::string& text : session.gather(Json(own).dump()))
      for (const Json& step : parse_json(text, "steps", {}, ExitCode::bug))
        any.insert(step.get<std::uint64_t>());
    steps = any;
  }
  const Json all = parse_json(session.broadcast(steps.dump()), "steps", {}, ExitCode::bug);
  return all.get<std::vector<std::uint64_t>>();
}

Choice choose_latest(session::Session& session, const fs::path& checkpoints,
                     const std::vector<std::uint64_t>& steps, const FolderGroup& group) {
  std::string newest_reason;
  for (const std::uint64_t step : steps) {
    const fs::path folder = checkpoints / name_of_step(step);
    const std::string reason = verify_together(session, folder, group);
    if (reason.empty()) return {folder, step};
    say_passed_over(session, step, reason);
    if (newest_reason.empty()) newest_reason = reason;
  }
  session.together([&] {
    if (session.is_first()) refuse_all(checkpoints, newest_reason);
  });
  check_failed("a failure of the first rank", __FILE__, __LINE__);
}

void check_path(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error))
    fail(ExitCode::cannot_load,
         path.string() + ": the checkpoint to resume from does not exist; nothing was begun");
  if (!fs::is_directory(path, error))
    fail(ExitCode::cannot_load, path.string() + ": is no checkpoint folder");
  const std::vector<Listed> inside = list_checkpoints(checkpoints_in(path));
  if (!fs::exists(path / store::manifest_name, error) && !inside.empty())
    fail(ExitCode::cannot_load, path.string() +
                                    ": is a run directory; name one of its checkpoints "
                                    "(the highest is " +
                                    inside.front().folder.string() + ")");
}

Choice choose_path(session::Session& session, const fs::path& path, const FolderGroup& group) {
  session.together([&] { check_path(path); });
  const std::string reason = verify_together(session, path, group);
  std::uint64_t step = 0;
  session.together([&] {
    if (reason.empty())
      step = describe(path).info.step;
    else if (session.is_first())
      fail(ExitCode::cannot_load, reason);
  });
  return {path, step};
}

}  // namespace

ResumeRequest ResumeRequest::parse(std::string_view word) {
  if (word.empty() || word == "latest") return {};
  if (word == "none") return {From::none, {}};
  return {From::path, fs::path(word)};
}

std::optional<std::uint64_t> step_of_name(std::string_view name) {
  if (!name.starts_with(start_of_name)) return std::nullopt;
  name.remove_prefix(start_of_name.size());
  std::uint64_t step = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size() || std::to_string(step) != name)
    return std::nullopt;
  return step;
}

std::string name_of_step(std::uint64_t step) {
  return std::string(start_of_name) + std::to_string(step);
}

std::vector<Listed> list_checkpoints(const fs::path& checkpoints) {
  std::vector<Listed> found;
  std::error_code error;
  if (!fs::exists(checkpoints, error)) return found;
  for (fs::directory_iterator entry(checkpoints, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code unreadable;
    const auto step = step_of_name(entry->path().filename().string());
    if (step && entry->is_directory(unreadable)) found.push_back({*step, entry->path()});
  }
  if (error)
    fail(ExitCode::cannot_load, checkpoints.string() + ": cannot list: " + error.message());
  if (fault_planted("checkpoint.latest_by_time"))
    std::ranges::sort(found, std::greater<>(),
                      [](const Listed& one) { return fs::last_write_time(one.folder); });
  else
    std::ranges::sort(found, std::greater<>(), &Listed::step);
  return found;
}

std::optional<Choice> choose(session::Session& session, const fs::path& run,
                             const ResumeRequest& request, bool each_node,
                             const std::string& node) {
  using From = ResumeRequest::From;
  const fs::path checkpoints = checkpoints_in(fs::absolute(run));
  const FolderGroup group = folder_group(session, each_node, node);
  const std::vector<std::uint64_t> steps = common_steps(session, checkpoints, each_node);
  if (request.from == From::none) {
    session.together([&] {
      if (session.is_first() && !steps.empty())
        fail(ExitCode::usage, checkpoints.string() + ": holds " + name_of_step(steps.front()) +
                                  ", so a run without resuming is refused: it would mix two runs. "
                                  "Choose another output directory, or resume");
    });
    return std::nullopt;
  }
  if (request.from == From::path && steps.empty())
    return choose_path(session, fs::absolute(request.path), group);
  if (steps.empty()) return std::nullopt;
  const Choice choice = choose_latest(session, checkpoints, steps, group);
  if (request.from == From::path && session.is_first())
    log::info(request.path.string() +
              " was given to resume from, but this run has a checkpoint of "
              "its own: " +
              choice.folder.string() + " is taken");
  return choice;
}

Choice latest_of_run(const fs::path& run, std::vector<std::string>& notes) {
  const fs::path checkpoints = checkpoints_in(run);
  std::string newest_reason;
  for (const Listed& listed : list_checkpoints(checkpoints)) {
    try {
      verify(listed.folder);
      return {listed.folder, listed.step};
    } catch (const Error& error) {
      if (newest_reason.empty()) newest_reason = error.what();
      notes.push_back(name_of_step(listed.step) + " is passed over: " + error.what());
    }
  }
  if (newest_reason.empty())
    fail(ExitCode::cannot_load, run.string() + ": has no checkpoint (no folder checkpoint-N in " +
                                    checkpoints.string() + ")");
  refuse_all(checkpoints, newest_reason);
}

void verify(const fs::path& checkpoint) {
  verify_share(checkpoint, 0, 1);
}

}  // namespace fg::checkpoint
