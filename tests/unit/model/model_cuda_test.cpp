#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <c10/cuda/CUDAFunctions.h>
#include <gtest/gtest.h>

#include <fg/base/error.hpp>
#include <fg/device/device.hpp>
#include <fg/device/memory.hpp>
#include <fg/model/model.hpp>
#include <fg/params/initialise.hpp>
#include <fg/test/gpu.hpp>
#include <fg/test/tiny_config.hpp>

namespace fg::model {
namespace {

using arch::Family;
using Numbers = std::vector<std::int64_t>;

const at::Device gpu(at::kCUDA, 0);

/// Heads as wide as attention on a GPU takes them.
arch::ModelConfig config_of(Family family) {
  arch::ModelConfig config = test::tiny_config(family);
  config.head_dim = 8;
  config.max_position_embeddings = 512;
  return config;
}

Model make(Family family, at::ScalarType type, at::Device device) {
  const arch::ModelConfig config = config_of(family);
  device::use(device);
  Model model(config, type, device);
  params::initialise(model.parameters(), 11, 0.2);
  return model;
}

Batch batch_of(Model& model, const Numbers& lengths, std::int64_t salt) {
  Numbers ids;
  for (const std::int64_t length : lengths)
    for (std::int64_t token = 0; token < length; ++token)
      ids.push_back(((token + salt) * (token + salt) * 31 + 7 * token + 3) % 101);
  Numbers targets(ids.size());
  const std::vector<std::uint8_t> trained(ids.size(), 1);
  next_token_targets(ids, ops::Documents(lengths), trained, targets);
  return model.make_batch(ids, lengths, targets);
}

/// Losses and all gradients as one vector, in fp64 on the host.
std::vector<at::Tensor> train(Model& model, const Numbers& lengths, std::int64_t salt) {
  params::Gradients gradients(model.parameters(), model.parameters().type());
  gradients.start_step(1);
  const Batch batch = batch_of(model, lengths, salt);
  std::vector<at::Tensor> all{
      model.train(batch, 1.0 / static_cast<double>(batch.trained()), gradients)};
  for (std::size_t index = 0; index < model.parameters().layout().logical.size(); ++index)
    all.push_back(gradients.logical(index).clone());
  return all;
}

double squared_distance(const std::vector<at::Tensor>& found, const std::vector<at::Tensor>& wanted,
                        std::size_t first) {
  double sum = 0.0;
  for (std::size_t index = first; index < found.size(); ++index) {
    const at::Tensor right = wanted[index].to(at::kCPU, at::kDouble);
    const double off = found[index].to(at::kCPU, at::kDouble).sub(right).norm().item<double>();
    const double size = right.norm().item<double>() + 1e-30;
    sum += off * off / (size * size);
  }
  return sum;
}

TEST(ModelOnGpu, IsAsCloseToFloat32AsTheCpusBfloat16) {
  FG_REQUIRE_GPU();
  for (const Family family : {Family::llama, Family::mistral, Family::qwen2, Family::qwen3}) {
    Model exact = make(family, at::kFloat, at::kCPU);
    Model host = make(family, at::kBFloat16, at::kCPU);
    Model device = make(family, at::kBFloat16, gpu);
    double host_loss = 0, device_loss = 0, host_gradients = 0, device_gradients = 0;
    for (std::int64_t salt = 0; salt < 6; ++salt) {
      const Numbers lengths{37, 1, 64, 20 + salt};
      const auto wanted = train(exact, lengths, salt);
      const auto of_host = train(host, lengths, salt);
      const auto of_device = train(device, lengths, salt);
      host_gradients += squared_distance(of_host, wanted, 1);
      device_gradients += squared_distance(of_device, wanted, 1);
      host_loss += squared_distance({of_host[0]}, {wanted[0]}, 0);
      device_loss += squared_distance({of_device[0]}, {wanted[0]}, 0);
    }
    const double bound = 1.25 * 1.25;
    EXPECT_LE(device_loss, bound * host_loss) << arch::model_type_of(family);
    EXPECT_LE(device_gradients, bound * host_gradients) << arch::model_type_of(family);
  }
}

/// Wide enough for products of many tiles.
arch::ModelConfig wide_config() {
  arch::ModelConfig config = config_of(Family::llama);
  config.layers = 4;
  config.windowed.assign(4, false);
  config.hidden_size = 1024;
  config.intermediate_size = 2816;
  config.heads = 16;
  config.kv_heads = 8;
  config.head_dim = 64;
  return config;
}

struct Trained {
  at::Tensor losses;
  std::vector<at::Tensor> gradients;  // logical
};

/// Part by part, as the ranks of a pipeline do it.
Trained train_parts(std::vector<Model>& parts, std::int64_t length) {
  std::vector<std::unique_ptr<params::Gradients>> gradients;
  std::vector<Pass> passes(parts.size());
  std::vector<Batch> batches;
  at::Tensor hidden;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const params::Parameters& parameters = parts[part].parameters();
    gradients.push_back(std::make_unique<params::Gradients>(parameters, at::kFloat));
    gradients.back()->start_step(1);
    batches.push_back(batch_of(parts[part], {length}, 1));
    hidden = parts[part].forward(hidden, batches[part], passes[part]).clone();
  }
  at::Tensor gradient;
  for (std::size_t part = parts.size(); part-- > 0;)
    gradient = parts[part].backward(gradient, batches[part], 1.0 / static_cast<double>(length),
                                    passes[part], *gradients[part]);
  Trained all{passes.back().losses, {}};
  for (std::size_t part = 0; part < parts.size(); ++part)
    for (std::size_t index = 0; index < parts[part].parameters().layout().logical.size(); ++index)
      all.gradients.push_back(gradients[part]->logical(index));
  return all;
}

std::vector<Model> make_parts(const std::vector<params::Part>& which) {
  std::vector<Model> parts;
  for (const params::Part& part : which) {
    parts.emplace_back(wide_config(), at::kBFloat16, gpu, std::vector{part});
    params::initialise(parts.back().parameters(), 11, 0.02);
  }
  return parts;
}

/// Rows of one document each, of all kinds of lengths.
const Numbers odd_lengths{207, 256, 177, 192, 163, 246, 204, 212, 225, 199, 159, 1, 130, 65};

void expect_same(const Trained& found, const Trained& wanted, const std::string& what) {
  EXPECT_TRUE(at::equal(found.losses, wanted.losses)) << what << ": losses";
  ASSERT_EQ(found.gradients.size(), wanted.gradients.size());
  for (std::size_t index = 0; index < found.gradients.size(); ++index)
    EXPECT_TRUE(at::equal(found.gradients[index], wanted.gradients[index]))
        << what << ": gradient " << index;
}

TEST(ModelOnGpu, GivesTheSameBitsInPartsForRowsOfAnyLength) {
  FG_REQUIRE_GPU();
  device::use(gpu);
  device::set_deterministic(true);
  std::vector<Model> whole = make_parts({{0, 4, true, true}});
  std::vector<Model> halves = make_parts({{0, 2, true, false}, {2, 4, false, true}});
  for (const std::int64_t length : odd_lengths)
    expect_same(train_parts(halves, length), train_parts(whole, length),
                std::to_string(length) + " tokens in parts");
  device::set_deterministic(false);
}

TEST(ModelOnGpu, ReadsNoMemoryThatNothingWrote) {
  FG_REQUIRE_GPU();
  device::use(gpu);
  device::set_deterministic(true);
  std::vector<Model> whole = make_parts({{0, 4, true, true}});
  const auto poison = [](float value) {
    std::vector<at::Tensor> all;
    for (const std::int64_t bytes : {512, 4096, 100000, 1000000, 4000000, 30000000, 400000000})
      for (int count = 0; count < 24; ++count)
        all.push_back(at::full({bytes / 4}, value, at::TensorOptions(at::kFloat).device(gpu)));
  };
  for (const std::int64_t length : odd_lengths) {
    poison(0.5F);
    const Trained wanted = train_parts(whole, length);
    poison(std::numeric_limits<float>::quiet_NaN());
    expect_same(train_parts(whole, length), wanted, std::to_string(length) + " tokens");
  }
  device::set_deterministic(false);
}

TEST(ModelOnGpu, GivesTheSameBitsUnderEveryMemoryPolicy) {
  FG_REQUIRE_GPU();
  device::set_deterministic(true);
  for (const Family family : {Family::llama, Family::qwen3}) {
    Model model = make(family, at::kBFloat16, gpu);
    model.set_policy(MemoryPolicy::keep);
    const auto kept = train(model, {300, 212}, 1);
    for (const MemoryPolicy policy : {MemoryPolicy::checkpoint, MemoryPolicy::offload}) {
      model.set_policy(policy);
      for (int round = 0; round < 3; ++round) {
        const auto again = train(model, {300, 212}, 1);
        for (std::size_t index = 0; index < kept.size(); ++index)
          ASSERT_TRUE(at::equal(again[index], kept[index]))
              << arch::model_type_of(family) << " policy " << static_cast<int>(policy) << " tensor "
              << index << " round " << round;
      }
    }
  }
  device::set_deterministic(false);
}

TEST(ModelOnGpu, NeitherWaitsNorAsksTheDriverForMemoryAfterTheThirdStep) {
  FG_REQUIRE_GPU();
  for (const MemoryPolicy policy :
       {MemoryPolicy::keep, MemoryPolicy::checkpoint, MemoryPolicy::offload}) {
    Model model = make(Family::llama, at::kBFloat16, gpu);
    model.set_policy(policy);
    params::Gradients gradients(model.parameters(), std::nullopt);
    const auto step = [&](std::int64_t salt) {
      gradients.start_step(1);
      model.train(batch_of(model, {256, 256}, salt), 0.01, gradients);
    };
    for (std::int64_t salt = 0; salt < 3; ++salt) step(salt);  // cuDNN is tried in the third
    device::synchronise(gpu);
    const std::uint64_t waits = device::host_waits();
    const std::uint64_t calls = device::memory_of(gpu).driver_calls;
    // LibTorch's own watch: any of its operations that waits throws.
    c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_ERROR);
    for (std::int64_t salt = 3; salt < 12; ++salt) EXPECT_NO_THROW(step(salt)) << salt;
    c10::cuda::warning_state().set_sync_debug_mode(c10::cuda::SyncDebugMode::L_DISABLED);
    EXPECT_EQ(device::host_waits(), waits) << static_cast<int>(policy);
    EXPECT_EQ(device::memory_of(gpu).driver_calls, calls) << static_cast<int>(policy);
  }
}

TEST(ModelOnGpu, NeedsLessMemoryTheMoreIsMadeAgain) {
  FG_REQUIRE_GPU();
  std::vector<std::uint64_t> peaks;
  for (const MemoryPolicy policy :
       {MemoryPolicy::keep, MemoryPolicy::checkpoint, MemoryPolicy::offload}) {
    arch::ModelConfig config = test::tiny_config(Family::llama);
    config.layers = 12;
    config.hidden_size = 512;
    config.heads = 8;
    config.kv_heads = 8;
    config.head_dim = 64;
    config.intermediate_size = 1024;
    config.windowed.assign(12, false);
    config.max_position_embeddings = 4096;
    Model model(config, at::kBFloat16, gpu);
    params::initialise(model.parameters(), 1, 0.02);
    model.set_policy(policy);
    params::Gradients gradients(model.parameters(), std::nullopt);
    device::reset_peak(gpu);
    gradients.start_step(1);
    model.train(batch_of(model, {4096}, 1), 0.01, gradients);
    peaks.push_back(device::memory_of(gpu).peak_allocated);
  }
  EXPECT_LT(peaks[1], peaks[0]);
  EXPECT_LT(peaks[2], peaks[1]) << "twelve inputs of 4 MiB wait on the host";
}

TEST(ModelOnGpu, RefusesHeadsThatAttentionThereDoesNotTake) {
  FG_REQUIRE_GPU();
  EXPECT_THROW(Model(test::tiny_config(Family::llama), at::kBFloat16, gpu), Error);
}

TEST(ModelOnGpu, RefusesATokenOutsideTheVocabularyBeforeItGoesThere) {
  FG_REQUIRE_GPU();
  Model model = make(Family::llama, at::kBFloat16, gpu);
  const Numbers ids{1, 2, model.config().vocab_size}, lengths{3}, targets{2, 3, -1};
  EXPECT_THROW(model.make_batch(ids, lengths, targets), Error);
}

}  // namespace
}  // namespace fg::model
