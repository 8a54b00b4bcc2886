#include "loss.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/units.hpp>
#include <fg/data/prepare.hpp>
#include <fg/engine/evaluation.hpp>
#include <fg/infer/load.hpp>
#include <fg/log/log.hpp>
#include <fg/log/progress.hpp>
#include <fg/session/signals.hpp>

namespace fg::eval {
namespace {

using Clock = std::chrono::steady_clock;

std::size_t seq_len_of(const arch::ModelConfig& config, const Options& options) {
  constexpr std::uint64_t usual = 4096;
  const auto positions = static_cast<std::uint64_t>(config.max_position_embeddings);
  if (options.seq_len && *options.seq_len > positions)
    fail(ExitCode::usage, "--seq-len " + std::to_string(*options.seq_len) + ": the model has " +
                              std::to_string(positions) + " positions (max_position_embeddings)");
  return options.seq_len.value_or(std::min(usual, positions));
}

data::TokenSet tokens_of(const Options& options, const data::ChatEncoder& encoder,
                         std::size_t seq_len) {
  data::Options data;
  data.sources = {{.path = options.data, .weight = 1.0, .format = {}, .split = {}}};
  data.format = options.format;
  data.split = options.split;
  data.train_on = options.train_on;
  data.seq_len = seq_len;
  data.check = session::check_for_stop;
  data::TokenSet set = data::prepare(data, encoder);
  for (const std::string& line : set.counts().lines()) log::info(line);
  return set;
}

/// Tells how far it is: a bar on a terminal, a line every half minute in a log.
class Report {
public:
  explicit Report(std::uint64_t rows) : progress_("evaluating rows", rows, log::Amount::steps) {}

  void reached(std::uint64_t rows) {
    session::check_for_stop();
    progress_.advance(rows - done_);
    done_ = rows;
    constexpr std::chrono::seconds pause{30};
    if (log::draws_on_terminal() || Clock::now() - last_ < pause) return;
    last_ = Clock::now();
    log::info(progress_.line());
  }
  void finish() { progress_.finish(); }

private:
  log::Progress progress_;
  std::uint64_t done_ = 0;
  Clock::time_point last_ = Clock::now();
};

/// Numbers as bytes, which lose nothing on their way.
template <typename Number>
std::string packed(std::span<const Number> numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()};
}

template <typename Number>
std::vector<Number> unpacked(const std::string& text) {
  FG_CHECK(text.size() % sizeof(Number) == 0);
  std::vector<Number> numbers(text.size() / sizeof(Number));
  if (!text.empty()) std::memcpy(numbers.data(), text.data(), text.size());
  return numbers;
}

/// Collective. All batches of all ranks, on every rank.
engine::Evaluation add_up(session::Session& session, const engine::BatchLosses& mine) {
  const std::vector<std::string> sums = session.gather(packed(std::span(mine.sums)));
  const std::vector<std::string> tokens =
      session.gather(packed(std::span<const std::int64_t>(&mine.tokens, 1)));
  engine::Evaluation all;
  if (session.is_first()) {
    std::vector<engine::BatchLosses> ranks;
    for (std::size_t rank = 0; rank < sums.size(); ++rank)
      ranks.push_back({unpacked<double>(sums[rank]), unpacked<std::int64_t>(tokens[rank]).at(0)});
    all = engine::add_up(ranks);
  }
  const auto result = unpacked<engine::Evaluation>(
      session.broadcast(packed(std::span<const engine::Evaluation>(&all, 1))));
  return result.at(0);
}

}  // namespace

Loss measure_loss(session::Session& session, model::Model& model, const Options& options) {
  std::optional<data::TokenSet> set;
  std::optional<data::EpochPlan> plan;
  session.together([&] {
    const std::size_t seq_len = seq_len_of(model.config(), options);
    const auto encoder = infer::load_encoder(options.model, options.chat_template);
    infer::require_fit(model.config(), encoder.tokenizer(), options.model.string());
    set.emplace(tokens_of(options, encoder, seq_len));
    plan.emplace(*set, data::PackOptions{.seq_len = seq_len, .pack = true}, 0, 0, false);
  });

  Loss result;
  result.documents = set->size();
  result.rows = plan->rows();
  if (options.max_batches)
    result.rows = std::min(result.rows,
                           *options.max_batches * static_cast<std::uint64_t>(options.batch_size));
  const auto begin = Clock::now();
  Report report(result.rows);
  const engine::BatchShare share{static_cast<std::uint64_t>(session.rank()),
                                 static_cast<std::uint64_t>(session.size())};
  const engine::BatchLosses mine =
      engine::evaluate(model, *set, *plan, options.batch_size, result.rows, share,
                       [&](std::uint64_t rows) { report.reached(rows); });
  const engine::Evaluation evaluation = add_up(session, mine);
  report.finish();
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  result.loss = evaluation.loss();
  result.perplexity = evaluation.perplexity();
  result.tokens = evaluation.tokens;
  session.together([&] {
    if (session.is_first() && !std::isfinite(result.loss))
      fail(ExitCode::numerics, "the loss is not a finite number");
  });
  return result;
}

}  // namespace fg::eval
