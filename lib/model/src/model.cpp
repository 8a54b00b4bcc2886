#include "fg/model/model.hpp"

#include <algorithm>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>

#include <fg/base/error.hpp>
#include <fg/device/transfer.hpp>
#include <fg/ops/cross_entropy.hpp>
#include <fg/ops/embedding.hpp>

namespace fg::model {
namespace {

at::Tensor tensor_of(std::span<const std::int64_t> values) {
  const at::Tensor tensor =
      at::empty({static_cast<std::int64_t>(values.size())}, at::TensorOptions(at::kLong));
  std::copy(values.begin(), values.end(), tensor.data_ptr<std::int64_t>());
  return tensor;
}

}  // namespace

std::int64_t Pass::bytes() const {
  std::int64_t total = hidden.defined() ? static_cast<std::int64_t>(hidden.nbytes()) : 0;
  for (const Saved& saved : blocks) total += saved.bytes();
  return total;
}

at::Tensor loss_sum(const at::Tensor& losses) {
  if (losses.is_cuda()) return losses.sum(at::kDouble);
  const at::Tensor wide = losses.to(at::kDouble);
  const double* const values = wide.data_ptr<double>();
  double sum = 0.0;
  for (std::int64_t index = 0; index < wide.numel(); ++index) sum += values[index];
  return at::scalar_tensor(sum, at::kDouble);
}

Model::Model(arch::ModelConfig config, at::ScalarType type, at::Device device,
             std::vector<params::Part> parts)
    : config_(std::move(config)),
      parts_(parts.empty() ? std::vector{params::whole(config_)} : std::move(parts)),
      parameters_(
          std::make_unique<params::Parameters>(params::plan_layout(config_, parts_), type, device)),
      parking_(std::make_unique<device::Parking>(device)),
      tables_(config_.rope, config_.head_dim, config_.max_position_embeddings, device) {
  if (device.is_cuda() && (config_.head_dim % 8 != 0 || config_.head_dim > 256))
    fail(ExitCode::cannot_load, "the model's heads are " + std::to_string(config_.head_dim) +
                                    " wide; attention on a GPU takes multiples of 8 up to 256 "
                                    "(--devices cpu takes any)");
  std::int64_t layers = 0;
  for (const params::Part& part : parts_) layers += part.last_layer - part.first_layer;
  layers_.reserve(static_cast<std::size_t>(layers));  // blocks_ points into it
  for (const params::Part& part : parts_) {
    std::vector<const Block*>& own = blocks_.emplace_back();
    if (part.has_embedding) {
      embedding_ = std::make_unique<EmbeddingBlock>(config_, *parameters_);
      own.push_back(embedding_.get());
    }
    for (std::int64_t layer = part.first_layer; layer < part.last_layer; ++layer)
      own.push_back(&layers_.emplace_back(config_, *parameters_, layer));
    if (part.has_head) head_.emplace(config_, *parameters_);
    FG_CHECK(!own.empty());
  }
}

void Model::set_policy(MemoryPolicy policy) {
  for (DecoderBlock& layer : layers_) layer.set_policy(policy, parking_.get());
}

void Model::set_policies(const LayerPolicies& policies) {
  for (std::size_t index = 0; index < layers_.size(); ++index)
    layers_[index].set_policy(policies.of(static_cast<std::int64_t>(index)), parking_.get());
}

Batch Model::make_batch(std::span<const std::int64_t> ids, std::span<const std::int64_t> lengths,
                        std::span<const std::int64_t> targets) {
  Batch batch;
  batch.documents = ops::Documents(lengths);
  FG_CHECK(batch.tokens() == static_cast<std::int64_t>(ids.size()));
  FG_CHECK(targets.size() == ids.size());
  ops::check_ids(ids, config_.vocab_size);
  batch.documents.place_on(device());
  batch.ids = device::upload(tensor_of(ids), device());
  batch.rotation = tables_.for_documents(batch.documents);
  std::vector<std::int64_t> positions;
  std::vector<std::int64_t> wanted;
  for (std::size_t row = 0; row < targets.size(); ++row) {
    if (targets[row] < 0) continue;
    positions.push_back(static_cast<std::int64_t>(row));
    wanted.push_back(targets[row]);
  }
  ops::check_targets(wanted, config_.vocab_size);
  batch.positions = device::upload(tensor_of(positions), device());
  batch.targets = device::upload(tensor_of(wanted), device());
  return batch;
}

std::span<const Block* const> Model::blocks(std::size_t part) const {
  return blocks_.at(part);
}

at::Tensor Model::forward(const at::Tensor& input, const Batch& batch, Pass& pass) const {
  const auto all = blocks(pass.part);
  pass.blocks.assign(all.size(), Saved());
  at::Tensor hidden = input;
  for (std::size_t index = 0; index < all.size(); ++index)
    hidden = all[index]->forward(hidden, batch, pass.blocks[index]);
  if (parts_[pass.part].has_head) pass.hidden = hidden;
  return hidden;
}

at::Tensor Model::begin_backward(const at::Tensor& grad_output, const Batch& batch, double scale,
                                 Pass& pass, params::Gradients& gradients) const {
  blocks(pass.part).back()->prepare_backward(pass.blocks.back());
  if (!parts_[pass.part].has_head) return grad_output;
  const at::Tensor hidden = std::exchange(pass.hidden, at::Tensor());
  return head_->backward(hidden, batch, scale, gradients, pass.losses);
}

at::Tensor Model::backward_input(const at::Tensor& grad_output, const Batch& batch, double scale,
                                 Pass& pass, params::Gradients& gradients) const {
  const auto all = blocks(pass.part);
  at::Tensor gradient = begin_backward(grad_output, batch, scale, pass, gradients);
  for (std::size_t index = all.size(); index-- > 0;) {
    if (index > 0) all[index - 1]->prepare_backward(pass.blocks[index - 1]);
    gradient = all[index]->backward_input(gradient, batch, pass.blocks[index]);
  }
  return gradient;
}

void Model::backward_weight(const Batch& batch, Pass& pass, params::Gradients& gradients) const {
  const auto all = blocks(pass.part);
  for (std::size_t index = all.size(); index-- > 0;)
    all[index]->backward_weight(batch, pass.blocks[index], gradients);
}

at::Tensor Model::backward(const at::Tensor& grad_output, const Batch& batch, double scale,
                           Pass& pass, params::Gradients& gradients) const {
  const auto all = blocks(pass.part);
  at::Tensor gradient = begin_backward(grad_output, batch, scale, pass, gradients);
  for (std::size_t index = all.size(); index-- > 0;) {
    if (index > 0) all[index - 1]->prepare_backward(pass.blocks[index - 1]);
    gradient = all[index]->backward_input(gradient, batch, pass.blocks[index]);
    all[index]->backward_weight(batch, pass.blocks[index], gradients);
  }
  return gradient;
}

at::Tensor Model::run_forward(std::size_t part, const at::Tensor& input, const Batch& batch) const {
  at::Tensor hidden = input;
  for (const Block* block : blocks(part)) {
    Saved unused;
    hidden = block->forward(hidden, batch, unused);
  }
  return hidden;
}

at::Tensor Model::infer(std::size_t part, const at::Tensor& input, const Batch& batch) const {
  const at::Tensor hidden = run_forward(part, input, batch);
  return parts_[part].has_head ? head_->losses(hidden, batch) : hidden;
}

at::Tensor Model::train(const Batch& batch, double scale, params::Gradients& gradients) const {
  FG_CHECK(is_whole());
  Pass pass;
  forward({}, batch, pass);
  backward({}, batch, scale, pass, gradients);
  return pass.losses;
}

at::Tensor Model::evaluate(const Batch& batch) const {
  FG_CHECK(is_whole());
  return infer(0, {}, batch);
}

at::Tensor Model::logits(const Batch& batch) const {
  FG_CHECK(is_whole());
  return head_->logits(run_forward(0, {}, batch));
}

at::Tensor Model::next_logits(std::span<const std::int64_t> ids, KvCache& cache) {
  FG_CHECK(is_whole() && !ids.empty());
  ops::check_ids(ids, config_.vocab_size);
  const auto count = static_cast<std::int64_t>(ids.size());
  const ops::Rotation rotation = tables_.for_positions(cache.length(), count);
  cache.reserve(count);
  at::Tensor hidden = embedding_->look_up(device::upload(tensor_of(ids), device()));
  for (const DecoderBlock& layer : layers_) hidden = layer.forward_cached(hidden, rotation, cache);
  cache.advance(count);
  return head_->logits(hidden.narrow(0, count - 1, 1)).select(0, 0);
}

}  // namespace fg::model
