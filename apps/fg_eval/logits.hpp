#pragma once

#include <filesystem>

#include <fg/model/model.hpp>
#include <fg/session/session.hpp>

namespace fg::eval {

/// Collective. Runs each sequence of `input_ids` (a JSON list a line, empty lines are passed over)
/// and writes its logits to the new HDF5 file `out`: `logits_N`, [tokens, vocab_size] float32, N
/// counts the sequences from 0. Rank r of N runs sequences r, r + N, …, and rank 0 writes, in their
/// order: the same bytes on any number of ranks. Error(data) naming the line; Error(cannot_save),
/// also where `out` exists. On an error there is no file.
void write_logits(session::Session& session, model::Model& model,
                  const std::filesystem::path& input_ids, const std::filesystem::path& out);

}  // namespace fg::eval
