#include <memory>
#include <mutex>
#include <vector>

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/log/log.hpp>

#include "terminal.hpp"

namespace fg::log {
namespace {

Options current;

/// Standard error, where lines and a progress bar share the terminal.
class TerminalSink final : public spdlog::sinks::base_sink<std::mutex> {
private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    terminal::print({text.data(), text.size()});
  }
  void flush_() override {}  // printed at once
};

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
    case Level::off:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

std::shared_ptr<spdlog::logger> make_logger(const Options& options) {
  std::vector<spdlog::sink_ptr> sinks = {std::make_shared<TerminalSink>()};
  if (!options.file.empty())
    sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file.string()));
  auto logger = std::make_shared<spdlog::logger>("fg", sinks.begin(), sinks.end());
  const std::string rank =
      options.ranks > 1 ? "[rank " + std::to_string(options.rank) + "] " : std::string();
  logger->set_pattern("%Y-%m-%d %H:%M:%S " + rank + "%l: %v");
  const Level shown = options.rank == 0 ? options.level : std::max(options.level, Level::warning);
  logger->set_level(spdlog_level(shown));
  logger->flush_on(spdlog::level::info);
  return logger;
}

std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> instance = make_logger({});
  return instance;
}

void say(spdlog::level::level_enum level, std::string_view text) {
  logger()->log(level, spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace

std::optional<Level> parse_level(std::string_view word) {
  if (word == "debug") return Level::debug;
  if (word == "info") return Level::info;
  if (word == "warning" || word == "warn") return Level::warning;
  if (word == "error") return Level::error;
  if (word == "off") return Level::off;
  return std::nullopt;
}

void start(const Options& options) {
  try {
    logger() = make_logger(options);
    current = options;
  } catch (const spdlog::spdlog_ex& error) {
    fail(ExitCode::cannot_save,
         options.file.string() + ": cannot open the log file: " + error.what());
  }
}

void debug(std::string_view text) {
  say(spdlog::level::debug, text);
}
void info(std::string_view text) {
  say(spdlog::level::info, text);
}
void warning(std::string_view text) {
  say(spdlog::level::warn, text);
}

void common_warning(std::string_view text) {
  if (current.rank == 0) warning(text);
}
void error(std::string_view text) {
  say(spdlog::level::err, text);
}

bool draws_on_terminal() {
  return current.rank == 0 && current.level <= Level::info && ::isatty(STDERR_FILENO) == 1;
}

}  // namespace fg::log
