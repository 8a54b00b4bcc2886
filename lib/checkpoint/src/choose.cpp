#include <algorithm>
#include <array>
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
#include "pieces.hpp"
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

/// Where a run's checkpoints lie, as one rank sees it.
struct Folders {
  bool each_node = false;
  std::string node;
  FolderGroup group;
};

/// What the ranks found of one checkpoint; the same on all but `is_here`.
struct Verdict {
  std::string reason;  // why it cannot be taken, or ""
  bool is_here = true;
  std::optional<int> lender = {};
  std::vector<std::string> notes = {};  // of pieces that are not used
};

/// Collective. A checkpoint in a folder that all ranks see.
Verdict verify_together(session::Session& session, const fs::path& checkpoint,
                        const FolderGroup& group) {
  std::string reason;
  try {
    const Described described = verify_share(checkpoint, group.index, group.size);
    reason = why_not_whole(std::array{piece_of(checkpoint, "", described)});
  } catch (const std::exception& error) {
    reason = error.what();
  }
  const std::vector<std::string> reasons = session.gather(reason);
  const auto first =
      std::ranges::find_if(reasons, [](const std::string& text) { return !text.empty(); });
  return {session.broadcast(first == reasons.end() ? "" : *first)};
}

/// What this rank sees of a checkpoint in its node's folder; the piece is told by one rank a node.
Json look_at_piece(const fs::path& checkpoint, const Folders& folders, bool leads) {
  Json told = {{"leader", folders.group.leader}, {"fault", ""}, {"piece", nullptr}};
  std::error_code error;
  if (!fs::exists(checkpoint, error) && !error) return told;
  try {
    const Described described = verify_share(checkpoint, folders.group.index, folders.group.size);
    if (leads) told["piece"] = to_json(piece_of(checkpoint, folders.node, described));
  } catch (const std::exception& failure) {
    told["fault"] = "node " + folders.node + ": " + failure.what();
  }
  return told;
}

/// Collective. A checkpoint of which each node has a piece, or none.
Verdict verify_pieces(session::Session& session, const fs::path& checkpoint,
                      const Folders& folders) {
  const bool leads = folders.group.leader == session.rank();
  const Json told = tell_all(session, look_at_piece(checkpoint, folders, leads));
  Verdict verdict;
  std::set<int> damaged;  // nodes, by their leaders
  for (const Json& rank : told)
    if (const auto fault = rank.at("fault").get<std::string>(); !fault.empty()) {
      damaged.insert(rank.at("leader").get<int>());
      verdict.notes.push_back(fault);
    }
  std::vector<Piece> pieces;
  std::set<int> sound;
  for (const Json& rank : told) {
    const int leader = rank.at("leader").get<int>();
    if (rank.at("piece").is_null() || damaged.contains(leader)) continue;
    pieces.push_back(piece_of(rank.at("piece")));
    sound.insert(leader);
  }
  verdict.is_here = sound.contains(folders.group.leader);
  for (const Json& rank : told)
    if (!sound.contains(rank.at("leader").get<int>()) && !sound.empty())
      verdict.lender = *sound.begin();
  verdict.reason = why_not_whole(pieces);
  if (!verdict.reason.empty() && !verdict.notes.empty()) verdict.reason = verdict.notes.front();
  return verdict;
}

Verdict verify_all(session::Session& session, const fs::path& checkpoint, const Folders& folders) {
  return folders.each_node ? verify_pieces(session, checkpoint, folders)
                           : verify_together(session, checkpoint, folders.group);
}

Choice chosen(session::Session& session, const fs::path& folder, std::uint64_t step,
              const Verdict& verdict) {
  if (session.is_first()) {
    for (const std::string& note : verdict.notes)
      log::warning(name_of_step(step) + " is whole without a damaged piece: " + note);
    if (verdict.lender)
      log::info(name_of_step(step) +
                " is not on every node; what is missing comes from the others");
  }
  return {folder, step, verdict.is_here, verdict.lender};
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
                     const std::vector<std::uint64_t>& steps, const Folders& folders) {
  std::string newest_reason;
  for (const std::uint64_t step : steps) {
    const fs::path folder = checkpoints / name_of_step(step);
    const Verdict verdict = verify_all(session, folder, folders);
    if (verdict.reason.empty()) return chosen(session, folder, step, verdict);
    say_passed_over(session, step, verdict.reason);
    if (newest_reason.empty()) newest_reason = verdict.reason;
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

Choice choose_path(session::Session& session, const fs::path& path, const Folders& folders) {
  std::error_code error;
  const bool is_there = fs::exists(path, error);
  // Of a checkpoint saved on each node some node may have no piece, but not all.
  const bool is_anywhere = folders.each_node && session.united(is_there ? 1 : 0) != 0;
  session.together([&] {
    if (is_there || !is_anywhere) check_path(path);
  });
  const Verdict verdict = verify_all(session, path, folders);
  std::uint64_t step = 0;
  session.together([&] {
    if (verdict.reason.empty() && verdict.is_here)
      step = describe(path).info.step;
    else if (!verdict.reason.empty() && session.is_first())
      fail(ExitCode::cannot_load, verdict.reason);
  });
  // Those who have a piece know it; all of them know the same.
  step = ~session.smallest(~step);
  return chosen(session, path, step, verdict);
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
  const Folders folders{each_node, node_name(node), folder_group(session, each_node, node)};
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
    return choose_path(session, fs::absolute(request.path), folders);
  if (steps.empty()) return std::nullopt;
  const Choice choice = choose_latest(session, checkpoints, steps, folders);
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
