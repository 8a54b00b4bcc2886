#pragma once

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>

#include <fg/ops/documents.hpp>
#include <fg/ops/rotary.hpp>

namespace fg::model {

/// A microbatch as the blocks see it: packed documents in one row of tokens, whatever rows they
/// came in. Made by Model::make_batch.
struct Batch {
  at::Tensor ids;            // [tokens] int64
  ops::Documents documents;  // no document sees another
  ops::Rotation rotation;    // positions begin at 0 in each document
  at::Tensor positions;      // [trained] int64, ascending: the rows that predict a trained token
  at::Tensor targets;        // [trained] int64: the token each of them predicts

  std::int64_t tokens() const { return documents.tokens(); }
  std::int64_t trained() const { return positions.numel(); }
};

/// What each row is to predict: the next token of its document where `is_trained` says that token
/// is trained (not 0), else -1. A document's last row predicts nothing. All spans are as long as
/// the documents together; `targets` is overwritten.
void next_token_targets(std::span<const std::int64_t> ids, const ops::Documents& documents,
                        std::span<const std::uint8_t> is_trained, std::span<std::int64_t> targets);

}  // namespace fg::model
