#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <fg/app/program.hpp>
#include <fg/data/options.hpp>

namespace fg::eval {

struct Options {
  std::filesystem::path model;
  std::filesystem::path chat_template;
  std::string devices;
  std::string dtype;
  bool json = false;

  std::filesystem::path data;  // empty: no loss is asked for
  std::string split;
  data::Format format = data::Format::automatic;
  data::TrainOn train_on = data::TrainOn::all;
  std::optional<std::uint64_t> seq_len;
  std::int64_t batch_size = 1;
  std::optional<std::uint64_t> max_batches;

  std::filesystem::path input_ids;  // both or none
  std::filesystem::path logits_out;
};

app::Program describe();

/// Error(usage) with all mistakes.
Options read_options(const app::Arguments& arguments);

}  // namespace fg::eval
