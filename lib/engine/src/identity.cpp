#include "identity.hpp"

#include <string>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/engine/run_plan.hpp>
#include <fg/log/log.hpp>
#include <fg/store/hash.hpp>
#include <fg/store/model_weights.hpp>

namespace fg::engine {

namespace {

/// To tell copies of a folder apart that has no manifest, without reading all of it.
std::string sample_of_weights(const std::filesystem::path& folder) {
  store::Hasher hasher;
  const store::ModelWeights weights(folder);
  for (const std::string& file : weights.files())
    hasher.update(file + " " + store::sample_of_file(folder / file) + "\n");
  return hasher.hex();
}

}  // namespace

Json identity_of(const RunSettings& settings, const RunPlan& plan) {
  return {{"tokenizer", plan.tokenizer_hash},
          {"data", plan.train->set().content_hash()},
          {"pack", settings.data.pack},
          {"seq_len", settings.data.train.seq_len},
          {"rows_a_step", settings.batch.global_rows},
          {"seed", settings.seed},
          {"configuration", settings.identity}};
}

void check_identity(const RunSettings& settings, const RunPlan& plan,
                    const checkpoint::JsonFields& trainer,
                    const std::filesystem::path& checkpoint) {
  const checkpoint::JsonFields before = trainer.object("identity");
  const Json now = identity_of(settings, plan);
  std::string differing;
  const auto compare = [&](const char* key, const std::string& name) {
    if (before.has(key) && before.value().at(key) == now.at(key)) return;
    differing += "\n  " + name;
    if (before.has(key) && !now.at(key).is_string())
      differing += ": " + before.value().at(key).dump() + " then, " + now.at(key).dump() + " now";
  };
  compare("tokenizer", "the tokenizer");
  compare("data", "the data, or what decides its tokens (train_on, too_long, template)");
  compare("pack", "data.pack");
  compare("seq_len", "train.seq_len");
  compare("seed", "train.seed");
  if (!differing.empty() && !fault_planted("engine.identity_ignored"))
    fail(ExitCode::usage, checkpoint.string() +
                              ": this run cannot go on from it, since these differ:" + differing +
                              "\ntake another train.output_dir to begin a new run");
  if (!settings.changes_since) return;
  for (const std::string& change : settings.changes_since(before.object("configuration").value()))
    log::common_warning("changed since the checkpoint: " + change);
}

std::vector<session::Fact> facts_of(const RunSettings& settings, const RunPlan& plan) {
  const Arrangement& ranks = plan.arrangement;
  std::vector<session::Fact> facts{{"tokenizer", plan.tokenizer_hash},
                                   {"model's config.json", plan.config_hash},
                                   {"trainer", to_string(ranks.trainer)},
                                   {"model.dtype", c10::toString(plan.type)},
                                   {"rows of a step", std::to_string(settings.batch.global_rows)},
                                   {"updates", std::to_string(static_cast<int>(plan.update_time))},
                                   {"steps", std::to_string(plan.trainer.total_steps)}};
  const std::filesystem::path manifest = settings.model.weights / "manifest.json";
  if (!settings.model.weights.empty() && std::filesystem::exists(manifest))
    facts.push_back(
        {"model's manifest.json", store::record_of_file(manifest, ExitCode::cannot_load).xxh3_128});
  else if (!settings.model.weights.empty())
    facts.push_back({"model's weights", sample_of_weights(settings.model.weights)});
  if (plan.train) facts.push_back({"data", plan.train->set().content_hash()});
  if (plan.evaluation)
    facts.push_back({"evaluation's data", plan.evaluation->set().content_hash()});
  if (ranks.trainer != TrainerKind::basic)
    facts.push_back({"gradients", plan.kept ? c10::toString(*plan.kept) : "not kept"});
  if (ranks.trainer == TrainerKind::pipeline)
    facts.push_back({"plan", schedule::fingerprint(ranks.plan(static_cast<int>(plan.microbatches),
                                                              schedule::UpdateTime::at_end))});
  return facts;
}

}  // namespace fg::engine
