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
  BatchPlan plan;
  if (train.batch_size) {
    plan.replica_rows = *train.batch_size;
    plan.global_rows = *train.batch_size * replicas;
  } else {
    FG_CHECK(train.global_batch_size.has_value());
    plan.global_rows = *train.global_batch_size;
    plan.replica_rows =
        divided(plan.global_rows, "train.global_batch_size", replicas, "the number of replicas,");
  }
  const std::string rows =
      train.batch_size ? "train.batch_size" : "the rows of a replica and step,";
  plan.microbatches =
      divided(plan.replica_rows, rows, train.microbatch_size, "train.microbatch_size");
  return plan;
}

}  // namespace fg::config
