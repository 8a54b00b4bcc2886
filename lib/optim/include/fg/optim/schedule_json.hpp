#pragma once

#include <string_view>

#include <fg/base/json.hpp>
#include <fg/optim/lr_schedule.hpp>

namespace fg::optim {

/// `lr_schedule` as a configuration and a checkpoint hold it: {"type": "wsd", "warmup": 100,
/// "decay": {"tokens": 300000000}, "annealing": "rsqrt", …}; a bare number is in steps. The keys
/// are the names of ScheduleOptions. Throws Error(usage) that lists every mistake: a key that there
/// is not (naming the nearest), a value of the wrong kind. Ranges are `validate`'s. `where` begins
/// each message ("lr_schedule").
ScheduleOptions schedule_from_json(const Json& json, std::string_view where);

/// What schedule_from_json reads back as the same; absent options are left out.
Json to_json(const ScheduleOptions& options);

}  // namespace fg::optim
