#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <fg/base/philox.hpp>

namespace fg::infer {

/// How the next token is drawn. The filters apply in this order, as in transformers:
/// repetition_penalty, temperature, top_k, top_p, min_p.
struct SamplingOptions {
  double temperature = 1.0;  // 0: the likeliest token, whatever the filters say
  std::int64_t top_k = 0;    // only the k likeliest tokens; 0: off
  double top_p = 1.0;        // only the likeliest tokens that together reach this probability
  double min_p = 0.0;        // only tokens with at least this part of the likeliest's probability
  /// Logits of tokens that are in the context are divided by this, negative ones multiplied.
  double repetition_penalty = 1.0;

  friend bool operator==(const SamplingOptions&, const SamplingOptions&) = default;
};

/// What is wrong with the options, a sentence each; `prefix` ("--") stands before each name.
std::vector<std::string> mistakes_in(const SamplingOptions& options, const std::string& prefix);

struct Candidate {
  std::int32_t id = 0;
  double probability = 0;
};

/// The tokens that the filters leave, by id, and their probabilities, which sum to 1. At least one
/// is left. top_k keeps all tokens as likely as the k-th; of equally likely ones top_p keeps those
/// of higher id. At temperature 0 the likeliest alone, of equals that of the lowest id. `context`
/// is all that the model saw, for the repetition penalty. Error(numerics) where a logit is not a
/// number or none is finite.
std::vector<Candidate> distribution(std::span<const float> logits,
                                    std::span<const std::int32_t> context,
                                    const SamplingOptions& options);

/// The candidate at `uniform` (in [0, 1)) of the cumulative distribution.
std::int32_t pick(std::span<const Candidate> candidates, double uniform);

/// Draws tokens. The n-th token drawn is a function of (seed, n) and the arguments alone.
class Sampler {
public:
  Sampler(const SamplingOptions& options, std::uint64_t seed);

  std::int32_t next(std::span<const float> logits, std::span<const std::int32_t> context);

private:
  SamplingOptions options_;
  RandomStream stream_;
  std::uint64_t drawn_ = 0;
};

}  // namespace fg::infer
