#include "lines.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/session/signals.hpp>

namespace fg::data_app {
namespace {

constexpr std::size_t block_bytes = 4 << 20;

/// Whole lines of about `block_bytes`; empty at the end of the input.
std::string read_block() {
  std::string block, line;
  while (block.size() < block_bytes && std::getline(std::cin, line)) {
    session::check_for_stop();
    block += line;
    block += '\n';
  }
  return block;
}

struct Answers {
  std::string text;          // this rank's answers, one a line
  std::uint64_t failed = 0;  // the first line that failed, from 1; 0: none
  std::string message;
  ExitCode code = ExitCode::done;
};

/// The answers to lines `rank`, `rank + size`, … of the block. Stops at the first that fails.
Answers answer_block(const std::string& block, std::uint64_t first_line,
                     const session::Session& session,
                     const std::function<std::string(const std::string&)>& answer) {
  Answers answers;
  std::istringstream lines(block);
  std::string line;
  for (std::uint64_t number = first_line; std::getline(lines, line); ++number) {
    if (number % static_cast<std::uint64_t>(session.size()) !=
        static_cast<std::uint64_t>(session.rank()))
      continue;
    session::check_for_stop();
    try {
      if (line.find_first_not_of(" \t\r") != std::string::npos) answers.text += answer(line);
      answers.text += '\n';
    } catch (const Error& error) {
      answers.failed = number;
      answers.message = "line " + std::to_string(number) + ": " + error.what();
      answers.code = error.code();
      return answers;
    }
  }
  return answers;
}

/// Deals the ranks' answers out again in the order of the lines, up to the first that failed.
void write_answers(const std::vector<std::string>& of_rank, std::uint64_t first_line,
                   std::uint64_t end_line) {
  std::vector<std::istringstream> streams;
  for (const std::string& text : of_rank) streams.emplace_back(text);
  std::string line;
  for (std::uint64_t number = first_line; number < end_line; ++number) {
    if (!std::getline(streams[number % streams.size()], line)) break;
    if (line.empty()) continue;
    line += '\n';
    if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size())
      fail(ExitCode::cannot_save, "cannot write to standard output: " + errno_text(errno));
  }
  if (std::fflush(stdout) != 0)
    fail(ExitCode::cannot_save, "cannot write to standard output: " + errno_text(errno));
}

std::uint64_t count_lines(const std::string& block) {
  std::uint64_t count = 0;
  for (const char c : block) count += c == '\n' ? 1 : 0;
  return count;
}

}  // namespace

void answer_lines(session::Session& session,
                  const std::function<std::string(const std::string& line)>& answer) {
  std::uint64_t first_line = 1;
  while (true) {
    std::string block;
    session.together([&] {
      if (session.is_first()) block = read_block();
    });
    block = session.broadcast(block);
    if (block.empty()) return;
    const std::uint64_t end = first_line + count_lines(block);

    Answers mine;
    session.together([&] { mine = answer_block(block, first_line, session, answer); });
    const std::uint64_t failed = session.smallest(mine.failed == 0 ? end : mine.failed);
    const auto texts = session.gather(mine.text);
    session.together([&] {
      if (session.is_first()) write_answers(texts, first_line, failed);
    });
    session.together([&] {
      if (mine.failed == failed) fail(mine.code, mine.message);
    });
    first_line = end;
  }
}

}  // namespace fg::data_app
