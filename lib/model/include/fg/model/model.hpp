#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/arch/model_config.hpp>
#include <fg/model/batch.hpp>
#include <fg/model/block.hpp>
#include <fg/model/decoder_block.hpp>
#include <fg/model/end_blocks.hpp>
#include <fg/model/kv_cache.hpp>
#include <fg/params/gradients.hpp>
#include <fg/params/parameters.hpp>

namespace fg::model {

/// A microbatch on its way through the blocks of one process.
struct Pass {
  std::vector<Saved> blocks;
  at::Tensor hidden;  // what the head takes; undefined without one
  at::Tensor losses;  // [trained], after the head's backward pass
  /// Of all that is saved; a tensor that two blocks hold counts twice.
  std::int64_t bytes() const;
};

/// Σ losses in fp64, one element on their device; on the CPU in their order.
at::Tensor loss_sum(const at::Tensor& losses);

/// A model, or the part of one that a pipeline stage holds: blocks over parameters that it owns.
/// Its parameters are undefined until they are loaded or initialised. One thread at a time.
class Model {
public:
  /// Error(cannot_load) for a head width that the device does not take.
  Model(arch::ModelConfig config, at::ScalarType type, at::Device device = at::kCPU,
        std::optional<params::Part> part = {});

  const arch::ModelConfig& config() const noexcept { return config_; }
  at::Device device() const noexcept { return parameters_->device(); }
  const params::Part& part() const noexcept { return part_; }
  params::Parameters& parameters() noexcept { return *parameters_; }
  const params::Parameters& parameters() const noexcept { return *parameters_; }
  void set_policy(MemoryPolicy policy);
  void set_policies(const LayerPolicies& policies);

  /// Packs a microbatch, on the model's device; the host does not wait for it. `lengths` are the
  /// documents', in order; `targets[t]` is the token row t predicts, or negative where it is not
  /// trained. An id outside the vocabulary is Error(data).
  Batch make_batch(std::span<const std::int64_t> ids, std::span<const std::int64_t> lengths,
                   std::span<const std::int64_t> targets);

  // One microbatch, by halves, for schedules. `input` is the previous stage's result, undefined
  // where this part has the embedding; the result is the last layer's output. With the head,
  // backward_input begins with its whole backward pass of scale · Σ losses and takes no
  // grad_output; it returns what the previous stage wants, if anything.
  at::Tensor forward(const at::Tensor& input, const Batch& batch, Pass& pass) const;
  at::Tensor backward_input(const at::Tensor& grad_output, const Batch& batch, double scale,
                            Pass& pass, params::Gradients& gradients) const;
  void backward_weight(const Batch& batch, Pass& pass, params::Gradients& gradients) const;
  /// Both halves block by block, so that each block's memory is free before the next one's turn.
  at::Tensor backward(const at::Tensor& grad_output, const Batch& batch, double scale, Pass& pass,
                      params::Gradients& gradients) const;

  // A whole model.

  /// Forward and backward of one microbatch; the losses of its trained tokens.
  at::Tensor train(const Batch& batch, double scale, params::Gradients& gradients) const;
  /// The losses alone.
  at::Tensor evaluate(const Batch& batch) const;
  /// [tokens, vocab_size], of packed documents.
  at::Tensor logits(const Batch& batch) const;
  /// The logits after the last of `ids`, [vocab_size]; `ids` continue the sequence in `cache`, and
  /// there is at least one.
  at::Tensor next_logits(std::span<const std::int64_t> ids, KvCache& cache);

private:
  at::Tensor hidden_of(const Batch& batch) const;
  std::vector<const Block*> blocks() const;

  arch::ModelConfig config_;
  params::Part part_;
  std::unique_ptr<params::Parameters> parameters_;  // where blocks and gradients find it
  std::unique_ptr<device::Parking> parking_;        // where layers find it
  ops::RotaryTables tables_;
  std::optional<EmbeddingBlock> embedding_;
  std::vector<DecoderBlock> layers_;
  std::optional<Head> head_;
};

}  // namespace fg::model
