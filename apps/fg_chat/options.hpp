#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <fg/app/program.hpp>
#include <fg/infer/sampler.hpp>

namespace fg::chat {

/// What one start of fg-chat is to do.
struct Options {
  std::filesystem::path model;
  std::filesystem::path chat_template;
  std::string devices;
  std::string dtype;
  std::optional<std::string> message;     // one message, one answer
  std::optional<std::string> completion;  // or one text to go on from
  bool interactive = false;               // or a conversation
  std::string system;
  std::int64_t max_tokens = 512;
  std::vector<std::string> stop;
  std::optional<std::uint64_t> seed;
  bool show_usage = false;

  // Given on the command line, above what the model's folder says.
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<std::int64_t> top_k;

  infer::SamplingOptions over(infer::SamplingOptions defaults) const;
};

app::Program describe();

/// Error(usage) with all mistakes.
Options read_options(const app::Arguments& arguments);

}  // namespace fg::chat
