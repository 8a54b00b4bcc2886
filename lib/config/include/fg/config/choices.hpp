#pragma once

#include <array>
#include <span>
#include <string_view>

namespace fg::config {

enum class ModelInit { weights, random };
enum class ModelType { automatic, float32, bfloat16 };
enum class DataFormat { automatic, sharegpt, openai, alpaca, text };
enum class TrainOn { all, assistant };
enum class TooLong { cut, split };
enum class Trainer { automatic, basic, ddp, fsdp, pipeline };
enum class DataMode { ddp, fsdp };
enum class PipelineSchedule { gpipe, one_f_one_b, interleaved_1f1b, zb_h1, zbv };
enum class Wire { automatic, bf16, int8 };
enum class MemoryPolicy { keep, checkpoint, offload, automatic };
enum class GradientType { automatic, float32, bfloat16 };
enum class ClipMode { exact, lagged };
enum class NanPolicy { stop, skip, rollback };
enum class SpikePolicy { warn, stop, skip, rollback };
enum class ScheduleType { constant, linear, cosine, wsd, infinite };
enum class Annealing { exponential, rsqrt };
enum class SaveStrategy { no, steps, epoch };
enum class CheckpointFormat { hdf5, bin };

/// The words of a choice in configuration files, in the order of its enumeration.
template <class Choice>
struct ChoiceWords;

#define FG_CHOICE(type, ...)                                                      \
  template <>                                                                     \
  struct ChoiceWords<type> {                                                      \
    static constexpr auto words = std::to_array<std::string_view>({__VA_ARGS__}); \
  }

FG_CHOICE(ModelInit, "weights", "random");
FG_CHOICE(ModelType, "auto", "float32", "bfloat16");
FG_CHOICE(DataFormat, "auto", "sharegpt", "openai", "alpaca", "text");
FG_CHOICE(TrainOn, "all", "assistant");
FG_CHOICE(TooLong, "cut", "split");
FG_CHOICE(Trainer, "auto", "basic", "ddp", "fsdp", "pipeline");
FG_CHOICE(DataMode, "ddp", "fsdp");
FG_CHOICE(PipelineSchedule, "gpipe", "1f1b", "interleaved_1f1b", "zb_h1", "zbv");
FG_CHOICE(Wire, "auto", "bf16", "int8");
FG_CHOICE(MemoryPolicy, "keep", "checkpoint", "offload", "auto");
FG_CHOICE(GradientType, "auto", "float32", "bfloat16");
FG_CHOICE(ClipMode, "exact", "lagged");
FG_CHOICE(NanPolicy, "stop", "skip", "rollback");
FG_CHOICE(SpikePolicy, "warn", "stop", "skip", "rollback");
FG_CHOICE(ScheduleType, "constant", "linear", "cosine", "wsd", "infinite");
FG_CHOICE(Annealing, "exponential", "rsqrt");
FG_CHOICE(SaveStrategy, "no", "steps", "epoch");
FG_CHOICE(CheckpointFormat, "hdf5", "bin");
#undef FG_CHOICE

template <class Choice>
concept IsChoice = requires {
  ChoiceWords<Choice>::words;
};

/// "fsdp", "1f1b": the word that files use.
template <IsChoice Choice>
constexpr std::string_view to_string(Choice choice) {
  return ChoiceWords<Choice>::words[static_cast<std::size_t>(choice)];
}

}  // namespace fg::config
