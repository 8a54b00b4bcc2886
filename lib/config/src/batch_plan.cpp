#include <fg/base/error.hpp>
#include <fg/config/load.hpp>

namespace fg::config {
namespace {

/// whole ÷ part; Error(usage) with both where it leaves a rest.
std::int64_t divided(std::int64_t whole, const std::string& whole_name, std::int64_t part,
                     const std::string& part_name) {
  if (part < 1 || whole % part != 0)
    fail(ExitCode::usage, whole_name + " " + std::to_string(whole) + " cannot be divided by " +
                              part_name + " " + std::to_string(part));
  return whole / part;
}

}  // namespace

BatchPlan batch_plan(const Train& train, std::int64_t replicas) {
  FG_CHECK(train.batch_size || train.global_batch_size);
  const std::int64_t rows = train.batch_size.value_or(train.global_batch_size.value_or(0));
  const std::int64_t microbatches =
      divided(rows, train.batch_size ? "train.batch_size" : "train.global_batch_size",
              train.microbatch_size, "train.microbatch_size");
  if (train.batch_size) return {.global_rows = rows * replicas, .microbatches = microbatches};
  if (microbatches < replicas)
    fail(ExitCode::usage, "train.global_batch_size " + std::to_string(rows) + " gives " +
                              std::to_string(microbatches) +
                              " microbatches (of train.microbatch_size " +
                              std::to_string(train.microbatch_size) + "), too few for " +
                              std::to_string(replicas) + " replicas");
  return {.global_rows = rows, .microbatches = (microbatches + replicas - 1) / replicas};
}

}  // namespace fg::config
