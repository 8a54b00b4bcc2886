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

/// A microbatch on its way through the blocks of one part of the model.
struct Pass {
  std::size_t part = 0;  // which of the process's own
  std::vector<Saved> blocks;
  at::Tensor hidden;  // what the head takes; undefined without one
  at::Tensor losses;  // [trained], after the head's backward pass
  /// Of all that is saved; a tensor that two blocks hold counts twice.
  std::int64_t bytes() const;
};

/// Σ losses in fp64, one element on their device; on the CPU in their order.
at::Tensor loss_sum(const at::Tensor& losses);

/// A model, or the parts of one that a process of a pipeline holds (its stages, in their order):
/// blocks over parameters that it owns. Its parameters are undefined until they are loaded or
/// initialised. One thread at a time.
class Model {
public:
  /// Error(cannot_load) for a head width that the device does not take.
  Model(arch::ModelConfig config, at::ScalarType type, at::Device device = at::kCPU,
        std::vector<params::Part> parts = {});

  const arch::ModelConfig& config() const noexcept { return config_; }
  at::Device device() const noexcept { return parameters_->device(); }
  const std::vector<params::Part>& parts() const noexcept { return parts_; }
  params::Parameters& parameters() noexcept { return *parameters_; }
  const params::Parameters& parameters() const noexcept { return *parameters_; }
  void set_policy(MemoryPolicy policy);
  void set_policies(const LayerPolicies& policies);

  /// Packs a microbatch, on the model's device; the host does not wait for it. `lengths` are the
  /// documents', in order; `targets[t]` is the token row t predicts, or negative where it is not
  /// trained. An id outside the vocabulary is Error(data).
  Batch make_batch(std::span<const std::int64_t> ids, std::span<const std::int64_t> lengths,
                   std::span<const std::int64_t> targets);

  // One microbatch in the part that `pass.part` says, by halves, for schedules. `input` is the
  // previous part's result, undefined where this one has the embedding; the result is the last
  // layer's output. With the head,
  // backward_input begins with its whole backward pass of scale · Σ losses and takes no
  // grad_output; it returns what the previous stage wants, if anything.
  at::Tensor forward(const at::Tensor& input, const Batch& batch, Pass& pass) const;
  at::Tensor backward_input(const at::Tensor& grad_output, const Batch& batch, double scale,
                            Pass& pass, params::Gradients& gradients) const;
  void backward_weight(const Batch& batch, Pass& pass, params::Gradients& gradients) const;
  /// Both halves block by block, so that each block's memory is free before the next one's turn.
  at::Tensor backward(const at::Tensor& grad_output, const Batch& batch, double scale, Pass& pass,
                      params::Gradients& gradients) const;

  /// Forward alone, nothing kept: the part's output, or the losses where it has the head.
  at::Tensor infer(std::size_t part, const at::Tensor& input, const Batch& batch) const;

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
  /// The gradient that the last block takes.
  at::Tensor begin_backward(const at::Tensor& grad_output, const Batch& batch, double scale,
                            Pass& pass, params::Gradients& gradients) const;
  at::Tensor run_forward(std::size_t part, const at::Tensor& input, const Batch& batch) const;
  std::span<const Block* const> blocks(std::size_t part) const;
  bool is_whole() const { return parts_.size() == 1 && embedding_ && head_; }

  arch::ModelConfig config_;
  std::vector<params::Part> parts_;
  std::unique_ptr<params::Parameters> parameters_;  // where blocks and gradients find it
  std::unique_ptr<device::Parking> parking_;        // where layers find it
  ops::RotaryTables tables_;
  std::unique_ptr<EmbeddingBlock> embedding_;  // where blocks_ finds it
  std::vector<DecoderBlock> layers_;
  std::optional<Head> head_;
  std::vector<std::vector<const Block*>> blocks_;  // of each part
};

}  // namespace fg::model
