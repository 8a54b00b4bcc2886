#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace fg::engine {

/// The rank that holds up the others: by its own seconds a step, without what it waited, when they
/// are a quarter more than the median of all and a millisecond more.
std::optional<std::size_t> find_straggler(const std::vector<double>& seconds_of_rank);

/// What a log line says of it.
std::string describe_straggler(const std::vector<double>& seconds_of_rank, std::size_t straggler,
                               const std::string& host);

}  // namespace fg::engine
