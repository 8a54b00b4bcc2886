#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <fg/base/error.hpp>

namespace fg::test {

/// Runs `action`, which must throw fg::Error with `code` and a message that contains every part.
template <typename Action>
void expect_error(ExitCode code, std::initializer_list<std::string> parts, Action&& action) {
  try {
    action();
    ADD_FAILURE() << "no error; expected one that contains: " << *parts.begin();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    for (const std::string& part : parts)
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "message: " << error.what() << "\nexpected to contain: " << part;
  }
}

template <typename Action>
void expect_error(ExitCode code, const std::string& part, Action&& action) {
  expect_error(code, std::initializer_list<std::string>{part}, std::forward<Action>(action));
}

}  // namespace fg::test
