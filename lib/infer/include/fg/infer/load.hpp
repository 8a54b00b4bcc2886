#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include <fg/data/chat_encoder.hpp>
#include <fg/infer/sampler.hpp>
#include <fg/model/model.hpp>

namespace fg::infer {

/// Where a model runs, and in which type.
struct Placement {
  at::Device device = at::kCPU;
  at::ScalarType type = at::kFloat;
};

/// `devices` as device::choose_device has it; `dtype` "float32", "bfloat16", "float16" or "auto":
/// bfloat16 on a GPU, float32 on the CPU. A GPU computes in bfloat16 alone: with "auto" devices
/// another type goes to the CPU. `device_turn` is choose_device's.
/// Error(usage) for any other word or what cannot be had; the
/// messages begin with the programs' options, --devices and --dtype.
Placement place(std::string_view devices, std::string_view dtype, int device_turn = 0);

/// The model of a folder (a model directory, a run directory or a checkpoint), ready to run.
/// Error(cannot_load).
model::Model load_model(const std::filesystem::path& folder, const Placement& placement);

/// Tokenizer and chat template of such a folder; `chat_template` as for ChatEncoder::load.
/// Error(cannot_load), Error(usage) for the template's file.
data::ChatEncoder load_encoder(const std::filesystem::path& folder,
                               const std::filesystem::path& chat_template = {});

/// Error(cannot_load) with both numbers where the tokenizer has more tokens than the model has
/// rows: they do not belong together. `name` begins the message.
void require_fit(const arch::ModelConfig& config, const text::Tokenizer& tokenizer,
                 const std::string& name);

/// How a folder's model is meant to generate.
struct GenerationDefaults {
  /// Any of them ends an answer: what config.json, generation_config.json and the tokenizer say,
  /// together (arch::agree_on_tokens).
  std::vector<std::int32_t> eos_ids;
  /// As generation_config.json says; where it is silent no filter, and temperature 0.7, or 0 where
  /// do_sample is false, or 1 where it is true.
  SamplingOptions sampling;
};

/// Error(cannot_load).
GenerationDefaults load_generation_defaults(const std::filesystem::path& folder,
                                            const data::ChatEncoder& encoder);

/// The end tokens without a folder: the model's configuration's, and the tokenizer's.
std::vector<std::int32_t> eos_ids_of(const arch::ModelConfig& config,
                                     const data::ChatEncoder& encoder);

}  // namespace fg::infer
