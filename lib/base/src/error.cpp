#include <system_error>

#include <fg/base/error.hpp>

namespace fg {

void fail(ExitCode code, const std::string& message) {
  throw Error(code, message);
}

void check_failed(const char* condition, const char* file, int line) {
  throw Error(ExitCode::bug, std::string("internal check failed: ") + condition + " (" + file +
                                 ":" + std::to_string(line) + "); please report this");
}

std::string errno_text(int error_number) {
  return std::generic_category().message(error_number);
}

}  // namespace fg
