#include "call.hpp"

#include <string>

#include <fg/base/error.hpp>
#include <fg/comm/nccl.hpp>

namespace fg::comm {

void nccl_check(ncclResult_t result, const char* call) {
  if (result == ncclSuccess) return;
  const char* logged = ncclGetLastError(nullptr);
  std::string last = logged != nullptr ? logged : "";
  while (last.ends_with('\n')) last.pop_back();
  fail(ExitCode::rank_lost, std::string(call) + ": NCCL says: " + ncclGetErrorString(result) +
                                (last.empty() ? "" : " (" + last + ")"));
}

std::string nccl_version() {
  int number = 0;
  nccl_check(ncclGetVersion(&number), "ncclGetVersion");
  return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." +
         std::to_string(number % 100);
}

}  // namespace fg::comm
