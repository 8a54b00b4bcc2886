#pragma once

#include <string>

#include <gtest/gtest.h>

#include <fg/base/error.hpp>

namespace fg::test {

/// Runs `action`, which must throw fg::Error with `code` and a message that contains `part`.
template <typename Action>
void expect_error(ExitCode code, const std::string& part, Action&& action) {
  try {
    action();
    ADD_FAILURE() << "no error; expected one that contains: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
        << "message: " << error.what() << "\nexpected to contain: " << part;
  }
}

}  // namespace fg::test
