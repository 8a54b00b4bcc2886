#include "fg/infer/sampler.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>

namespace fg::infer {
namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();

/// `probability` holds the score until the filters are through.
bool is_less_likely(const Candidate& left, const Candidate& right) {
  if (left.probability != right.probability) return left.probability < right.probability;
  return left.id < right.id;
}

std::vector<double> scores_of(std::span<const float> logits) {
  std::vector<double> scores(logits.begin(), logits.end());
  double largest = nothing;
  for (const double score : scores) {
    if (std::isnan(score)) fail(ExitCode::numerics, "the model gave logits that are not numbers");
    largest = std::max(largest, score);
  }
  if (!std::isfinite(largest)) fail(ExitCode::numerics, "the model gave no finite logit");
  return scores;
}

void penalise(std::vector<double>& scores, std::span<const std::int32_t> context, double penalty) {
  if (penalty == 1.0) return;
  std::vector<bool> seen(scores.size(), false);
  for (const std::int32_t id : context) {
    const auto index = static_cast<std::size_t>(id);
    if (id < 0 || index >= scores.size() || seen[index]) continue;
    seen[index] = true;
    scores[index] = scores[index] < 0 ? scores[index] * penalty : scores[index] / penalty;
  }
}

void keep_top_k(std::vector<Candidate>& candidates, std::int64_t top_k) {
  if (top_k <= 0 || static_cast<std::size_t>(top_k) >= candidates.size()) return;
  std::vector<Candidate> order = candidates;
  const auto last = order.begin() + (top_k - 1);
  std::nth_element(order.begin(), last, order.end(),
                   [](const Candidate& a, const Candidate& b) { return is_less_likely(b, a); });
  const double smallest = last->probability;
  std::erase_if(candidates, [&](const Candidate& one) { return one.probability < smallest; });
}

/// Scores become weights, the largest 1.
void exponentiate(std::vector<Candidate>& candidates) {
  double largest = nothing;
  for (const Candidate& one : candidates) largest = std::max(largest, one.probability);
  for (Candidate& one : candidates) one.probability = std::exp(one.probability - largest);
}

double sum_of(std::span<const Candidate> candidates) {
  double sum = 0;
  for (const Candidate& one : candidates) sum += one.probability;
  return sum;
}

/// A token stays while those more likely than it hold less than top_p.
void keep_top_p(std::vector<Candidate>& candidates, double top_p) {
  static const bool one_too_few = fault_planted("infer.top_p_one_too_few");
  if (top_p >= 1.0) return;
  const double wanted = top_p * sum_of(candidates);
  std::vector<Candidate> heap = std::move(candidates);
  std::make_heap(heap.begin(), heap.end(), is_less_likely);
  candidates.clear();
  double reached = 0;
  while (!heap.empty() && (candidates.empty() || reached < wanted)) {
    std::pop_heap(heap.begin(), heap.end(), is_less_likely);
    candidates.push_back(heap.back());
    reached += heap.back().probability;
    heap.pop_back();
  }
  if (one_too_few && candidates.size() > 1) candidates.pop_back();
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
}

std::string shown(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", number);
  return text.data();
}

}  // namespace

std::vector<std::string> mistakes_in(const SamplingOptions& options, const std::string& prefix) {
  std::vector<std::string> mistakes;
  const auto require = [&](bool right, const char* name, double value, const char* wanted) {
    if (!right) mistakes.push_back(prefix + name + " " + shown(value) + ": expected " + wanted);
  };
  const auto is_part = [](double value) { return value >= 0.0 && value <= 1.0; };
  require(options.temperature >= 0.0 && std::isfinite(options.temperature), "temperature",
          options.temperature, "0 (the likeliest token) or more");
  require(options.top_k >= 0, "top-k", static_cast<double>(options.top_k), "0 (off) or more");
  require(is_part(options.top_p), "top-p", options.top_p, "a number from 0 to 1 (off)");
  require(is_part(options.min_p), "min-p", options.min_p, "a number from 0 (off) to 1");
  require(options.repetition_penalty > 0.0 && std::isfinite(options.repetition_penalty),
          "repetition-penalty", options.repetition_penalty, "a number above 0 (1: off)");
  return mistakes;
}

std::vector<Candidate> distribution(std::span<const float> logits,
                                    std::span<const std::int32_t> context,
                                    const SamplingOptions& options) {
  std::vector<double> scores = scores_of(logits);
  penalise(scores, context, options.repetition_penalty);
  if (options.temperature == 0.0) {
    const auto best = std::max_element(scores.begin(), scores.end());
    return {{static_cast<std::int32_t>(best - scores.begin()), 1.0}};
  }
  std::vector<Candidate> candidates;
  for (std::size_t id = 0; id < scores.size(); ++id)
    if (scores[id] > nothing)
      candidates.push_back({static_cast<std::int32_t>(id), scores[id] / options.temperature});
  keep_top_k(candidates, options.top_k);
  exponentiate(candidates);
  keep_top_p(candidates, options.top_p);
  std::erase_if(candidates, [&](const Candidate& one) { return one.probability < options.min_p; });
  const double sum = sum_of(candidates);
  for (Candidate& one : candidates) one.probability /= sum;
  return candidates;
}

std::int32_t pick(std::span<const Candidate> candidates, double uniform) {
  FG_CHECK(!candidates.empty());
  const double wanted = uniform * sum_of(candidates);
  double reached = 0;
  for (const Candidate& one : candidates) {
    reached += one.probability;
    if (reached > wanted) return one.id;
  }
  return candidates.back().id;
}

Sampler::Sampler(const SamplingOptions& options, std::uint64_t seed)
    : options_(options), stream_(seed, "sampling", "", 0) {}

std::int32_t Sampler::next(std::span<const float> logits, std::span<const std::int32_t> context) {
  const std::vector<Candidate> candidates = distribution(logits, context, options_);
  const PhiloxBlock words = stream_.block(drawn_++);
  const std::uint64_t bits = (std::uint64_t{words[0]} << 21) | (words[1] >> 11);
  return pick(candidates, static_cast<double>(bits) * 0x1p-53);
}

}  // namespace fg::infer
