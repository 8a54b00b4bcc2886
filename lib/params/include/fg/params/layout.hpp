#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fg/arch/model_config.hpp>

namespace fg::params {

/// What a fused tensor is to its block.
enum class Role : std::uint8_t {
  embedding,
  input_norm,
  qkv,  // the rows of q, then k, then v
  qkv_bias,
  q_norm,
  k_norm,
  output,
  output_bias,
  post_norm,
  gate_up,  // the rows of gate, then up
  gate_up_bias,
  down,
  down_bias,
  final_norm,
  head,
};

/// A part of a model: all of it, or the blocks of a pipeline stage.
struct Part {
  std::int64_t first_layer = 0;
  std::int64_t last_layer = 0;  // one past
  bool has_embedding = true;
  bool has_head = true;  // with the last norm

  friend bool operator==(const Part&, const Part&) = default;
};
Part whole(const arch::ModelConfig& config);

/// A tensor under its Hugging Face name: rows [first_row, first_row + shape[0]) of a fused tensor.
struct LogicalTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::size_t fused = 0;  // index in Layout::fused
  std::int64_t first_row = 0;

  std::int64_t elements() const;
};

/// One tensor in memory. `shape` includes padding rows, which no logical tensor covers.
struct FusedTensor {
  Role role = Role::embedding;
  std::int64_t layer = 0;  // 0 for embedding, final_norm and head
  std::vector<std::int64_t> shape;
  std::vector<std::size_t> logical;  // indexes in Layout::logical, by row
  /// In how many parts a microbatch's gradient is formed: 2 where embedding and head are one.
  int gradient_parts = 1;
  /// Of a tied head whose embedding belongs to another part of this process: its value is that of
  /// this fused tensor, and only its gradient is its own. It has no logical tensors.
  std::optional<std::size_t> shares_value_of;

  std::int64_t elements() const;
};

/// Where everything lies; allocates nothing, so that a plan can be made of any model. `logical` has
/// the order of arch::expected_tensors: the order of every walk over parameters.
struct Layout {
  std::vector<FusedTensor> fused;
  std::vector<LogicalTensor> logical;

  /// The index in `fused`; a tied model's head is its embedding. Nothing where the model or the
  /// part has no such tensor.
  std::optional<std::size_t> find(Role role, std::int64_t layer = 0) const;
};

/// Rows of embedding and head in memory: the next multiple of 128 (a head of an odd number of rows
/// makes its product several times slower on a GPU).
std::int64_t padded_rows(std::int64_t rows);

/// Of the parts that one process holds. Parts that do not fit the model are Error(bug). A tied
/// model's process with the head alone holds the embedding's tensor, under the embedding's name.
/// Where both are there, but in two parts, their turns are mixed and so each has a gradient of its
/// own (Gradients::join_tied).
Layout plan_layout(const arch::ModelConfig& config, std::span<const Part> parts);
Layout plan_layout(const arch::ModelConfig& config, const Part& part);

}  // namespace fg::params
