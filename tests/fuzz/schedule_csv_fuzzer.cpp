#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <fg/base/error.hpp>
#include <fg/schedule/check.hpp>
#include <fg/schedule/csv.hpp>
#include <fg/schedule/simulate.hpp>
#include <fg/schedule/table.hpp>

/// What is read must come back from its own text, every check must come to an end, and what the
/// checks find right must run.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fg::schedule;
  try {
    const Plan plan = from_csv({reinterpret_cast<const char*>(data), size}, "plan.csv");
    if (from_csv(to_csv(plan), "again") != plan) std::abort();
    const bool is_small = std::int64_t{plan.shape.stages} * plan.shape.microbatches <= 4096;
    if (!is_small) return 0;
    const bool has_fault = find_fault(plan).has_value();
    const bool locks_up = find_deadlock(plan, 0).has_value();
    if (find_deadlock(plan, 2) && !locks_up) std::abort();
    if (has_fault || locks_up) return 0;
    table(plan, 80);
    simulate(plan, even_costs(plan.shape, {1, 1, 1}));
  } catch (const fg::Error& error) {
    if (error.code() != fg::ExitCode::data) std::abort();
  }
  return 0;
}
