#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <fg/arch/tensor_names.hpp>
#include <fg/params/gradients.hpp>
#include <fg/params/initialise.hpp>
#include <fg/params/parameters.hpp>
#include <fg/params/weights.hpp>
#include <fg/store/safetensors.hpp>
#include <fg/test/expect_error.hpp>
#include <fg/test/temporary_folder.hpp>
#include <fg/test/tiny_config.hpp>

namespace fg::params {
namespace {

using arch::Family;
using test::tiny_config;

constexpr Family families[] = {Family::llama, Family::mistral, Family::qwen2, Family::qwen3};

Parameters make(const arch::ModelConfig& config, at::ScalarType type = at::kFloat) {
  return Parameters(plan_layout(config, whole(config)), type);
}

std::size_t index_of(const Layout& layout, const std::string& name) {
  for (std::size_t index = 0; index < layout.logical.size(); ++index)
    if (layout.logical[index].name == name) return index;
  ADD_FAILURE() << "no tensor " << name;
  return 0;
}

TEST(Layout, HoldsEveryTensorOnceInTheOrderOfTheNames) {
  for (const Family family : families) {
    arch::ModelConfig config = tiny_config(family);
    config.output_bias = config.mlp_bias = family == Family::llama;
    const Layout layout = plan_layout(config, whole(config));

    EXPECT_EQ(tensor_infos(layout, store::Dtype::bfloat16),
              arch::expected_tensors(config, store::Dtype::bfloat16));
    for (const FusedTensor& fused : layout.fused) {
      std::int64_t rows = 0;
      for (const std::size_t index : fused.logical) {
        EXPECT_EQ(layout.logical[index].first_row, rows);
        rows += layout.logical[index].shape[0];
      }
      const bool is_end = fused.role == Role::embedding || fused.role == Role::head;
      EXPECT_EQ(fused.shape[0], is_end ? 128 : rows);
    }
  }
}

TEST(Layout, FusesQueriesKeysAndValuesByRows) {
  const Parameters parameters = make(tiny_config(Family::qwen2));
  const Layout& layout = parameters.layout();
  const std::size_t qkv = layout.find(Role::qkv, 1).value();
  parameters.fused(qkv).copy_(at::arange(48 * 24, at::kFloat).view({48, 24}));

  EXPECT_EQ(layout.fused[qkv].shape, (std::vector<std::int64_t>{48, 24}));
  const at::Tensor k =
      parameters.logical(index_of(layout, "model.layers.1.self_attn.k_proj.weight"));
  EXPECT_EQ(k.size(0), 12);
  EXPECT_EQ(k[0][0].item<float>(), 24.0F * 24.0F);
  EXPECT_EQ(parameters.find(Role::qkv_bias, 1).size(0), 48);
  EXPECT_FALSE(parameters.find(Role::down_bias, 1).defined());
}

TEST(Layout, TiesTheHeadToTheEmbeddingsMemory) {
  const Parameters tied = make(tiny_config(Family::qwen3));
  const Parameters untied = make(tiny_config(Family::llama));

  EXPECT_TRUE(tied.find(Role::head).is_same(tied.find(Role::embedding)));
  EXPECT_FALSE(untied.find(Role::head).is_same(untied.find(Role::embedding)));
  EXPECT_EQ(tied.layout().fused[0].gradient_parts, 2);
  EXPECT_EQ(untied.layout().fused[0].gradient_parts, 1);
}

TEST(Layout, CutsAModelIntoParts) {
  for (const Family family : families) {
    const arch::ModelConfig config = tiny_config(family);
    const Layout first = plan_layout(config, {0, 1, true, false});
    const Layout last = plan_layout(config, {1, 2, false, true});

    EXPECT_TRUE(first.find(Role::qkv, 0) && !first.find(Role::qkv, 1));
    EXPECT_TRUE(last.find(Role::qkv, 1) && !last.find(Role::qkv, 0));
    EXPECT_FALSE(first.find(Role::final_norm));
    EXPECT_TRUE(last.find(Role::head));
    EXPECT_EQ(last.find(Role::embedding).has_value(), config.tied);
    EXPECT_EQ(last.fused[*last.find(Role::head)].gradient_parts, 1);
  }
}

TEST(Layout, PadsToAMultipleOf128Rows) {
  EXPECT_EQ(padded_rows(1), 128);
  EXPECT_EQ(padded_rows(128), 128);
  EXPECT_EQ(padded_rows(32001), 32128);
}

TEST(Initialise, DependsOnNameAndIndexAloneNotOnStorage) {
  arch::ModelConfig config = tiny_config(Family::llama);
  Parameters parameters = make(config);
  initialise(parameters, 7, 0.02);
  arch::ModelConfig wider = config;  // the same k_proj behind more rows of q_proj
  wider.heads = 8;
  Parameters other = make(wider);
  initialise(other, 7, 0.02);
  Parameters half(plan_layout(config, {1, 2, false, true}), at::kFloat);
  initialise(half, 7, 0.02);

  for (std::size_t index = 0; index < half.layout().logical.size(); ++index) {
    const std::size_t there = index_of(parameters.layout(), half.layout().logical[index].name);
    EXPECT_TRUE(half.logical(index).equal(parameters.logical(there)));
  }
  const std::string name = "model.layers.1.self_attn.k_proj.weight";
  EXPECT_TRUE(parameters.logical(index_of(parameters.layout(), name))
                  .equal(other.logical(index_of(other.layout(), name))));
  const std::string v = "model.layers.1.self_attn.v_proj.weight";
  EXPECT_FALSE(parameters.logical(index_of(parameters.layout(), name))
                   .equal(parameters.logical(index_of(parameters.layout(), v))));
}

TEST(Initialise, DrawsTheNormalDistributionAskedFor) {
  arch::ModelConfig config = tiny_config(Family::qwen2);
  config.vocab_size = 20011;
  Parameters parameters = make(config);
  initialise(parameters, 1, 0.02);
  const at::Tensor values = parameters.logical(0).to(at::kDouble).div(0.02).flatten();
  const double count = static_cast<double>(values.numel());

  // Five standard errors of each moment of a normal distribution.
  EXPECT_LT(std::abs(values.mean().item<double>()), 5 / std::sqrt(count));
  EXPECT_LT(std::abs(values.pow(2).mean().item<double>() - 1), 5 * std::sqrt(2 / count));
  EXPECT_LT(std::abs(values.pow(3).mean().item<double>()), 5 * std::sqrt(15 / count));
  EXPECT_LT(std::abs(values.pow(4).mean().item<double>() - 3), 5 * std::sqrt(96 / count));
  const at::Tensor neighbours =
      values.narrow(0, 0, values.numel() - 1).mul(values.narrow(0, 1, values.numel() - 1));
  EXPECT_LT(std::abs(neighbours.mean().item<double>()), 5 / std::sqrt(count));
  EXPECT_EQ(parameters.find(Role::embedding).narrow(0, 20011, 85).abs().sum().item<float>(), 0.0F);
  EXPECT_EQ(parameters.find(Role::qkv_bias, 0).abs().sum().item<float>(), 0.0F);
  EXPECT_TRUE(parameters.find(Role::final_norm).eq(1).all().item<bool>());
}

TEST(Initialise, RoundsTheSameNumbersForSixteenBits) {
  const arch::ModelConfig config = tiny_config(Family::llama);
  Parameters wide = make(config);
  Parameters narrow = make(config, at::kBFloat16);
  Parameters other_seed = make(config);
  initialise(wide, 3, 0.02);
  initialise(narrow, 3, 0.02);
  initialise(other_seed, 4, 0.02);

  EXPECT_TRUE(narrow.logical(0).equal(wide.logical(0).to(at::kBFloat16)));
  EXPECT_FALSE(other_seed.logical(0).equal(wide.logical(0)));
}

TEST(Weights, ComeBackFromAFileInEveryType) {
  const test::TemporaryFolder folder;
  const arch::ModelConfig config = tiny_config(Family::qwen3);
  Parameters source = make(config);
  initialise(source, 5, 0.02);
  for (const store::Dtype dtype :
       {store::Dtype::float32, store::Dtype::bfloat16, store::Dtype::float16}) {
    const auto path = folder.path() / std::string(store::name_of(dtype));
    std::filesystem::create_directory(path);
    const auto writer =
        store::create_safetensors(path / "model.safetensors", tensor_infos(source.layout(), dtype));
    save(source, *writer);
    writer->finish();
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kDouble}) {
      Parameters loaded = make(config, type);
      store::ModelWeights weights(path);
      load(weights, config, path.string(), loaded);
      for (std::size_t index = 0; index < source.layout().logical.size(); ++index)
        EXPECT_TRUE(
            loaded.logical(index).equal(source.logical(index).to(scalar_type_of(dtype)).to(type)));
      EXPECT_EQ(loaded.find(Role::embedding).narrow(0, 101, 27).abs().sum().item<double>(), 0.0);
    }
  }
}

/// Writes a tied model that stores its head as well, shifted by `difference`.
std::filesystem::path save_with_head(const std::filesystem::path& folder, const Parameters& source,
                                     double difference) {
  auto infos = tensor_infos(source.layout(), store::Dtype::float32);
  infos.push_back({arch::head_name, store::Dtype::float32, infos[0].shape});
  const auto path = folder / std::to_string(difference);
  std::filesystem::create_directory(path);
  const auto writer = store::create_safetensors(path / "model.safetensors", infos);
  save(source, *writer);
  const at::Tensor head = source.logical(0).add(difference).contiguous();
  for (std::size_t index = 0; index < infos.size(); ++index)
    if (writer->tensors()[index].name == arch::head_name)
      writer->write(index, 0, {static_cast<const std::byte*>(head.data_ptr()), head.nbytes()});
  writer->finish();
  return path;
}

TEST(Weights, AcceptATiedHeadOnlyIfItIsTheEmbedding) {
  const test::TemporaryFolder folder;
  const arch::ModelConfig config = tiny_config(Family::qwen3);
  Parameters source = make(config);
  initialise(source, 5, 0.02);
  Parameters loaded = make(config);
  store::ModelWeights same(save_with_head(folder.path(), source, 0.0));
  load(same, config, "same", loaded);
  EXPECT_TRUE(loaded.logical(0).equal(source.logical(0)));

  store::ModelWeights different(save_with_head(folder.path(), source, 1.0));
  test::expect_error(ExitCode::cannot_load, "different: config.json ties the head",
                     [&] { load(different, config, "different", loaded); });
}

TEST(Weights, NameWhatIsMissing) {
  const test::TemporaryFolder folder;
  const arch::ModelConfig config = tiny_config(Family::llama);
  Parameters source = make(config);
  initialise(source, 5, 0.02);
  auto infos = tensor_infos(source.layout(), store::Dtype::float32);
  infos.pop_back();
  const auto writer = store::create_safetensors(folder.path() / "model.safetensors", infos);
  save(source, *writer);
  writer->finish();
  store::ModelWeights weights(folder.path());

  test::expect_error(ExitCode::cannot_load, "lm_head.weight",
                     [&] { load(weights, config, "folder", source); });
}

/// Brings a constant gradient for every fused tensor, `parts` as the layout says.
void bring(Gradients& gradients, const Layout& layout, double value) {
  for (std::size_t fused = 0; fused < layout.fused.size(); ++fused) {
    for (int part = 0; part < layout.fused[fused].gradient_parts; ++part) {
      EXPECT_EQ(gradients.has_part(fused), part > 0);
      at::Tensor target = gradients.begin(fused);
      if (part > 0)
        target.add_(100);
      else
        target.fill_(value);
      gradients.finish(fused);
    }
  }
}

TEST(Gradients, AddMicrobatchesFormedAloneAndReportEachOnce) {
  for (const Family family : {Family::llama, Family::qwen3}) {
    const Parameters parameters = make(tiny_config(family));
    const Layout& layout = parameters.layout();
    Gradients gradients(parameters, at::kFloat);
    std::vector<int> calls(layout.logical.size());
    gradients.on_complete([&](std::size_t index, const at::Tensor& gradient) {
      ++calls[index];
      EXPECT_EQ(gradient.sizes(), at::IntArrayRef(layout.logical[index].shape));
      EXPECT_TRUE(gradient.is_contiguous());
    });
    for (int step = 0; step < 2; ++step) {
      gradients.start_step(2);
      bring(gradients, layout, 1.0);
      EXPECT_EQ(calls, std::vector<int>(layout.logical.size(), step));
      bring(gradients, layout, 3.0);
      EXPECT_EQ(calls, std::vector<int>(layout.logical.size(), step + 1));
      for (std::size_t index = 0; index < layout.logical.size(); ++index) {
        const bool is_tied = layout.fused[layout.logical[index].fused].gradient_parts == 2;
        EXPECT_TRUE(gradients.logical(index).eq(is_tied ? 204 : 4).all().item<bool>());
      }
    }
  }
}

TEST(Gradients, LiveOnlyInTheirHookWhereNoneAreKept) {
  const Parameters parameters = make(tiny_config(Family::qwen3));
  Gradients gradients(parameters, std::nullopt);
  std::size_t calls = 0;
  gradients.on_complete([&](std::size_t index, const at::Tensor& gradient) {
    EXPECT_TRUE(gradient.eq(index == 0 ? 107 : 7).all().item<bool>());
    ++calls;
  });
  gradients.start_step(1);
  bring(gradients, parameters.layout(), 7.0);

  EXPECT_EQ(calls, parameters.layout().logical.size());
  EXPECT_EQ(gradients.kept_bytes(), 0);
  EXPECT_THROW(gradients.start_step(2), Error);
}

TEST(Gradients, AddSixteenBitPartsInFp32) {
  const Parameters parameters = make(tiny_config(Family::llama), at::kBFloat16);
  Gradients gradients(parameters, at::kFloat);
  gradients.start_step(2);
  bring(gradients, parameters.layout(), 256.0);
  bring(gradients, parameters.layout(), 0.5);

  EXPECT_TRUE(gradients.logical(3).eq(256.5).all().item<bool>());
}

TEST(Gradients, RefuseAStepThatLacksATensor) {
  const Parameters parameters = make(tiny_config(Family::llama));
  Gradients gradients(parameters, at::kFloat);
  gradients.start_step(1);
  gradients.begin(0);
  gradients.finish(0);
  gradients.start_step(1);  // nothing but tensor 0 was brought, and that is complete
  gradients.begin(0);
  gradients.finish(0);
  EXPECT_THROW(gradients.begin(0), Error);
  gradients.start_step(2);
  gradients.begin(1);
  gradients.finish(1);
  EXPECT_THROW(gradients.start_step(1), Error);
}

}  // namespace
}  // namespace fg::params
