#pragma once

#include <filesystem>

#include <fg/model/model.hpp>

namespace fg::eval {

/// Runs each sequence of `input_ids` (a JSON list a line, empty lines are passed over) and writes
/// its logits to the new HDF5 file `out`: `logits_N`, [tokens, vocab_size] float32, N counts the
/// sequences from 0. Error(data) naming the line; Error(cannot_save), also where `out` exists. On
/// an error there is no file.
void write_logits(model::Model& model, const std::filesystem::path& input_ids,
                  const std::filesystem::path& out);

}  // namespace fg::eval
