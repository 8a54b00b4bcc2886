#include <algorithm>
#include <map>
#include <set>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/checkpoint/choose.hpp>
#include <fg/checkpoint/retention.hpp>

#include "checkpoint_files.hpp"
#include "pieces.hpp"
#include "save_plan.hpp"

namespace fg::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t max_manifest_bytes = std::uint64_t{64} << 20;

struct Kept {
  std::uint64_t step;
  fs::path folder;
  bool sound = false;
  bool unreadable = false;  // the disk failed, which says nothing of the checkpoint
  std::optional<double> metric;
  std::optional<Piece> piece = {};  // of one that is sound
};

bool has_its_size(const fs::path& file, std::uint64_t size, Kept& found) {
  std::error_code error;
  const std::uint64_t there = fs::file_size(file, error);
  if (error && error != std::errc::no_such_file_or_directory) found.unreadable = true;
  return !error && there == size;
}

/// A look at manifest and sizes; reading all bytes at every save would take too long.
Kept look_at(const Listed& listed, const std::string& node) {
  Kept found{listed.step, listed.folder, false, false, std::nullopt};
  const fs::path manifest = listed.folder / store::manifest_name;
  std::error_code error;
  const bool is_there = fs::exists(manifest, error);
  try {
    read_text(manifest, max_manifest_bytes);
  } catch (const Error&) {
    found.unreadable = is_there || error;
    return found;
  }
  try {
    const Described described = describe(listed.folder);
    found.metric = described.info.metric;
    found.sound = std::ranges::all_of(described.manifest.files, [&](const auto& file) {
      return has_its_size(listed.folder / file.first, file.second.size, found);
    });
    if (found.sound) found.piece = piece_of(listed.folder, node, described);
  } catch (const Error&) {
    found.sound = false;
  }
  return found;
}

/// The highest step first.
std::vector<Kept> look_at_all(const fs::path& checkpoints, const std::string& node = {}) {
  std::vector<Kept> all;
  for (const Listed& listed : list_checkpoints(checkpoints)) all.push_back(look_at(listed, node));
  return all;
}

/// Sound ones that have a metric, the best first, of equals the older.
std::vector<Kept> by_metric(std::vector<Kept> all) {
  std::erase_if(all, [](const Kept& one) { return !one.sound || !one.metric; });
  std::ranges::sort(all, {}, [](const Kept& one) { return std::pair(*one.metric, one.step); });
  return all;
}

void remove_checkpoint(const Kept& old) {
  const fs::path trash = old.folder.parent_path() / (".trash-" + old.folder.filename().string());
  std::error_code error;
  fs::remove_all(trash, error);  // of a run that was cut
  fs::rename(old.folder, trash, error);
  if (error)
    fail(ExitCode::cannot_save,
         old.folder.string() + ": cannot rename it to delete it: " + error.message());
  fail_point("retention.renamed");
  sync_path(old.folder.parent_path());  // else a power cut might bring back half of it
  fs::remove_all(trash, error);
  if (error) fail(ExitCode::cannot_save, trash.string() + ": cannot delete: " + error.message());
}

void check_rules(const Retention& rules) {
  if (rules.keep < 2)
    fail(ExitCode::usage, "checkpoint.keep is " + std::to_string(rules.keep) +
                              "; at least 2 are kept, since the newest may turn out damaged");
}

/// The steps that the rules do not keep, of all that there are.
std::set<std::uint64_t> steps_to_delete(std::vector<Kept> all, std::uint64_t saved_step,
                                        const Retention& rules) {
  std::erase_if(all, [&](const Kept& one) { return one.step > saved_step; });
  std::set<std::uint64_t> kept = {saved_step};
  std::vector<Kept> best = by_metric(all);
  if (fault_planted("checkpoint.retention_deletes_best")) best.clear();
  for (std::size_t i = 0; i < best.size() && i < rules.keep_best; ++i) kept.insert(best[i].step);
  std::uint64_t last = 0;
  std::uint64_t oldest_of_last = 0;
  for (const Kept& one : all) {
    if (!one.sound || last == rules.keep) continue;
    ++last;
    kept.insert(one.step);
    oldest_of_last = one.step;
  }
  std::set<std::uint64_t> old;
  for (const Kept& one : all) {
    if (kept.contains(one.step) || one.unreadable) continue;
    if (!one.sound && (last < rules.keep || one.step > oldest_of_last)) continue;
    old.insert(one.step);
  }
  return old;
}

void remove_all(const std::vector<Kept>& all, const std::set<std::uint64_t>& old,
                RetentionResult& result) {
  for (const Kept& one : all) {
    if (!old.contains(one.step)) continue;
    try {
      remove_checkpoint(one);
      result.deleted.push_back(one.step);
    } catch (const Error& error) {
      result.notes.emplace_back(error.what());
    }
  }
}

Json to_json(const std::vector<Kept>& all) {
  Json told = Json::array();
  for (const Kept& one : all) {
    Json& entry = told.emplace_back(Json{{"step", one.step}, {"unreadable", one.unreadable}});
    if (one.metric) entry["metric"] = *one.metric;
    if (one.piece) entry["piece"] = to_json(*one.piece);
  }
  return told;
}

/// The steps of all nodes. One is sound where its pieces are whole together.
std::vector<Kept> united(const Json& ranks) {
  std::map<std::uint64_t, Kept, std::greater<>> steps;
  std::map<std::uint64_t, std::vector<Piece>> pieces;
  for (const Json& rank : ranks)
    for (const Json& entry : rank) {
      const auto step = entry.at("step").get<std::uint64_t>();
      Kept& kept =
          steps.try_emplace(step, Kept{step, {}, false, false, std::nullopt}).first->second;
      kept.unreadable = kept.unreadable || entry.at("unreadable").get<bool>();
      if (entry.contains("metric")) kept.metric = entry.at("metric").get<double>();
      if (entry.contains("piece")) pieces[step].push_back(piece_of(entry.at("piece")));
    }
  static const bool any_counts = fault_planted("checkpoint.partial_steps_kept");
  std::vector<Kept> all;
  for (auto& [step, kept] : steps) {
    kept.sound = any_counts || why_not_whole(pieces[step]).empty();
    all.push_back(kept);
  }
  return all;
}

}  // namespace

RetentionResult retain(const fs::path& checkpoints, std::uint64_t saved_step,
                       const Retention& rules) {
  check_rules(rules);
  RetentionResult result;
  std::vector<Kept> all;
  try {
    all = look_at_all(checkpoints);
  } catch (const Error& error) {
    result.notes.emplace_back(error.what());
  }
  remove_all(all, steps_to_delete(all, saved_step, rules), result);
  return result;
}

RetentionResult retain_on_each_node(session::Session& session, const fs::path& checkpoints,
                                    std::uint64_t saved_step, const Retention& rules,
                                    const std::string& node) {
  session.together([&] { check_rules(rules); });
  const bool leads = leads_folder(session, true, node);
  RetentionResult result;
  std::vector<Kept> own;
  try {
    if (leads) own = look_at_all(checkpoints, node_name(node));
  } catch (const Error& error) {
    result.notes.emplace_back(error.what());
  }
  // A node that cannot look has no say in what the others hold, and nothing is deleted.
  const bool all_looked = session.smallest(result.notes.empty() ? 1 : 0) == 1;
  const Json ranks = tell_all(session, to_json(own));
  if (all_looked) remove_all(own, steps_to_delete(united(ranks), saved_step, rules), result);
  return result;
}

std::optional<Best> best_checkpoint(const fs::path& checkpoints) {
  const std::vector<Kept> sorted = by_metric(look_at_all(checkpoints));
  if (sorted.empty()) return std::nullopt;
  return Best{sorted.front().step, *sorted.front().metric, sorted.front().folder};
}

}  // namespace fg::checkpoint
