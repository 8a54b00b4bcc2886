#include "fg/device/errors.hpp"

#include <string>
#include <string_view>

#include <c10/util/Exception.h>

#include <fg/base/error.hpp>

namespace fg::device {
namespace {

/// LibTorch's message without its call stack and its advice on environment variables.
std::string first_line(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

}  // namespace

void rethrow(std::exception_ptr thrown, std::string_view advice) {
  try {
    std::rethrow_exception(thrown);
  } catch (const c10::OutOfMemoryError& error) {
    fail(ExitCode::usage,
         "the GPU's memory is not enough: " + first_line(error) + " " + std::string(advice));
  } catch (const c10::AcceleratorError& error) {
    fail(ExitCode::rank_lost, "the GPU failed: " + first_line(error));
  }
}

}  // namespace fg::device
