#pragma once

#include <nccl.h>

namespace fg::comm {

/// Every call of NCCL goes through here: `nccl_check(ncclSend(…), "ncclSend")`. Error(rank_lost)
/// with NCCL's words, the last ones of its own log included, unless `result` is ncclSuccess.
void nccl_check(ncclResult_t result, const char* call);

}  // namespace fg::comm
