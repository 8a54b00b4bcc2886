#include "pack.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include <fg/base/error.hpp>
#include <fg/base/json.hpp>
#include <fg/base/units.hpp>
#include <fg/data/epoch_plan.hpp>
#include <fg/data/prepare.hpp>
#include <fg/data/row.hpp>

#include "histogram.hpp"
#include "preview.hpp"

namespace fg::data_app {
namespace {

std::string per_cent(double share) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %%", share * 100);
  return text.data();
}

std::string counts_text(const data::TokenSet& set, const data::ChatEncoder& encoder) {
  std::string out = "template: " + encoder.template_name() + "\n";
  for (const std::string& line : set.counts().lines()) out += line + "\n";
  return out;
}

std::string rows_text(const data::EpochPlan& plan, const PackJob& job) {
  return with_thousands(plan.rows()) + " rows of up to " + with_thousands(job.data.seq_len) +
         " tokens, " + per_cent(plan.density()) + " filled, " +
         with_thousands(static_cast<std::uint64_t>(plan.trained_tokens())) +
         " trained tokens an epoch\n";
}

data::EpochPlan plan_of(const data::TokenSet& set, const PackJob& job) {
  return {set, {.seq_len = job.data.seq_len, .pack = job.pack}, job.seed, job.epoch, job.shuffle};
}

std::string json_rows(const data::TokenSet& set, const data::EpochPlan& plan) {
  std::string out;
  for (std::size_t index = 0; index < plan.rows(); ++index) {
    const data::Row row = data::make_row(set, plan, index);
    const Json object = {{"ids", row.ids}, {"lengths", row.lengths}, {"targets", row.targets}};
    out += object.dump() + "\n";
  }
  return out;
}

}  // namespace

std::string pack_text(const PackJob& job, const data::ChatEncoder& encoder) {
  const data::TokenSet set = data::prepare(job.data, encoder);
  const data::EpochPlan plan = plan_of(set, job);
  if (job.json) return json_rows(set, plan);
  std::string out = counts_text(set, encoder) + rows_text(plan, job) + "epoch " +
                    std::to_string(job.epoch) + ", seed " + std::to_string(job.seed) + ", data " +
                    set.content_hash() + "\n";
  const std::size_t shown = std::min<std::size_t>(plan.rows(), job.preview);
  for (std::size_t row = 0; row < shown; ++row)
    out += "\n" + preview_row(set, plan, row, encoder.tokenizer(), job.color);
  return out;
}

std::string stats_text(const PackJob& job, const data::ChatEncoder& encoder) {
  const data::TokenSet set = data::prepare(job.data, encoder);
  std::vector<std::uint32_t> lengths;
  for (std::size_t index = 0; index < set.size(); ++index) lengths.push_back(set.length(index));
  return counts_text(set, encoder) + rows_text(plan_of(set, job), job) +
         "longest record: " + with_thousands(set.counts().longest_record) +
         " tokens\n\ntokens of a document: " + length_summary(lengths) + "\n" + histogram(lengths);
}

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    fail(ExitCode::cannot_save, "cannot write to standard output: " + errno_text(errno));
}

}  // namespace fg::data_app
