#pragma once

#include <string>
#include <vector>

namespace fg::engine {

/// What a log line says where one rank holds up the others: by its own seconds a step, without what
/// it waited, when they are a quarter more than the median of all and a millisecond more. "" where
/// there is none, or one rank alone.
std::string describe_straggler(const std::vector<double>& seconds_of_rank);

}  // namespace fg::engine
