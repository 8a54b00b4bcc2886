#include <fg/params/initialise.hpp>
#include <fg/test/tiny_config.hpp>

#include "autograd_model.hpp"

namespace fg::model {
namespace {

using test::NamedTensors;
using test::Tensors;
using torch::Tensor;

const std::vector<std::int64_t> lengths{1, 13, 0, 9, 2};

/// Loaded with weights worth testing: no bias zero, no norm one.
void fill(params::Parameters& parameters) {
  params::initialise(parameters, 11, 0.2);
  for (std::size_t index = 0; index < parameters.layout().logical.size(); ++index) {
    Tensor values = parameters.logical(index);
    if (values.dim() == 1)
      values.add_(test::seeded({values.size(0)}, static_cast<std::int64_t>(index)).mul(0.3));
  }
}

NamedTensors weights_of(const params::Parameters& parameters, torch::ScalarType type) {
  NamedTensors named;
  for (std::size_t index = 0; index < parameters.layout().logical.size(); ++index)
    named[parameters.layout().logical[index].name] =
        parameters.logical(index).detach().to(type).clone().requires_grad_(true);
  return named;
}

struct Example {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> targets;
};

Example example(const arch::ModelConfig& config) {
  const ops::Documents documents(lengths);
  Example result;
  std::vector<std::uint8_t> trained;
  for (std::int64_t token = 0; token < documents.tokens(); ++token) {
    result.ids.push_back((token * token * 31 + 7 * token + 3) % config.vocab_size);
    trained.push_back(token % 4 != 1);
  }
  result.targets.resize(result.ids.size());
  next_token_targets(result.ids, documents, trained, result.targets);
  return result;
}

/// Losses, logits and gradients in the order of the layout.
struct Result {
  Tensor losses;
  Tensor logits;
  Tensors gradients;
};

Result run_ours(Model& model, const Example& input, double scale) {
  const Batch batch = model.make_batch(input.ids, lengths, input.targets);
  params::Gradients gradients(model.parameters(), model.parameters().type());
  gradients.start_step(1);
  Result result;
  result.losses = model.train(batch, scale, gradients);
  EXPECT_TRUE(model.evaluate(batch).equal(result.losses));
  result.logits = model.logits(batch);
  for (std::size_t index = 0; index < model.parameters().layout().logical.size(); ++index)
    result.gradients.push_back(gradients.logical(index));
  return result;
}

/// The documents one by one through the formula.
Result run_formula(const Model& model, const Example& input, double scale, torch::ScalarType type) {
  const NamedTensors weights = weights_of(model.parameters(), type);
  test::AutogradModel formula(model.config(), weights);
  const auto wide = type == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  Tensors losses;
  Tensors logits;
  std::int64_t first = 0;
  for (const std::int64_t length : lengths) {
    const Tensor ids = torch::tensor(input.ids, torch::kInt64).narrow(0, first, length);
    const Tensor wanted = torch::tensor(input.targets, torch::kInt64).narrow(0, first, length);
    first += length;
    if (length == 0) continue;
    logits.push_back(formula.logits(ids));
    const Tensor rows = wanted.ge(0).nonzero().flatten();
    losses.push_back(torch::nn::functional::cross_entropy(
        logits.back().index_select(0, rows).to(wide), wanted.index_select(0, rows),
        torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kNone)));
  }
  Result result{torch::cat(losses), torch::cat(logits), {}};
  Tensors leaves;
  for (const params::LogicalTensor& tensor : model.parameters().layout().logical)
    leaves.push_back(weights.at(tensor.name));
  result.gradients = torch::autograd::grad({result.losses.sum() * scale}, leaves);
  result.losses = result.losses.detach();
  result.logits = result.logits.detach();
  return result;
}

void check_model(const arch::ModelConfig& config, MemoryPolicy policy) {
  const std::string family(arch::model_type_of(config.family));
  const Example input = example(config);
  const double scale = 1.0 / 17;
  for (const torch::ScalarType type : {torch::kFloat64, torch::kFloat32}) {
    Model model(config, type);
    model.set_policy(policy);
    fill(model.parameters());
    const Result ours = run_ours(model, input, scale);
    const Result exact = run_formula(model, input, scale, torch::kFloat64);
    // A few hundred roundings one after the other.
    test::expect_close(ours.losses, exact.losses, 10000, family + " losses");
    test::expect_close(ours.logits, exact.logits, 10000, family + " logits");
    for (std::size_t index = 0; index < ours.gradients.size(); ++index)
      test::expect_close(ours.gradients[index], exact.gradients[index], 10000,
                         family + " " + model.parameters().layout().logical[index].name);
  }
}

TEST(Model, EqualsAutogradOverSeparateDocumentsInEveryFamily) {
  for (const arch::Family family :
       {arch::Family::llama, arch::Family::mistral, arch::Family::qwen2, arch::Family::qwen3}) {
    check_model(test::tiny_config(family), MemoryPolicy::keep);
    check_model(test::tiny_config(family), MemoryPolicy::checkpoint);
  }
}

TEST(Model, EqualsAutogradWithEveryBias) {
  arch::ModelConfig config = test::tiny_config(arch::Family::llama);
  config.qkv_bias = config.output_bias = config.mlp_bias = true;
  config.tied = true;
  check_model(config, MemoryPolicy::keep);
}

TEST(DecoderBlock, EqualsItsAutogradTwinByHalves) {
  for (const arch::Family family :
       {arch::Family::llama, arch::Family::mistral, arch::Family::qwen2, arch::Family::qwen3}) {
    Model model(test::tiny_config(family), torch::kFloat64, torch::kCPU,
                {params::Part{1, 2, false, false}});
    fill(model.parameters());
    const std::vector<std::int64_t> one{17};
    const std::vector<std::int64_t> zeros(17, 0);
    const std::vector<std::int64_t> none(17, -1);
    const Batch batch = model.make_batch(zeros, one, none);
    const Tensor input = test::seeded({17, 24}, 1).requires_grad_(true);
    const Tensor grad_output = test::seeded({17, 24}, 2);
    params::Gradients gradients(model.parameters(), torch::kFloat64);
    gradients.start_step(1);
    Pass pass;
    const Tensor output = model.forward(input.detach(), batch, pass);
    const Tensor grad_input = model.backward_input(grad_output, batch, 1.0, pass, gradients);
    model.backward_weight(batch, pass, gradients);
    EXPECT_EQ(pass.bytes(), 0);

    const NamedTensors weights = weights_of(model.parameters(), torch::kFloat64);
    const Tensor expected = test::AutogradModel(model.config(), weights).layer(1, input);
    Tensors leaves{input};
    for (const params::LogicalTensor& tensor : model.parameters().layout().logical)
      leaves.push_back(weights.at(tensor.name));
    const Tensors wanted = torch::autograd::grad({expected}, leaves, {grad_output});

    test::expect_close(output, expected.detach(), 1000, "output");
    test::expect_close(grad_input, wanted[0], 1000, "grad_input");
    for (std::size_t index = 1; index < wanted.size(); ++index)
      test::expect_close(gradients.logical(index - 1), wanted[index], 1000,
                         model.parameters().layout().logical[index - 1].name);
  }
}

}  // namespace
}  // namespace fg::model
