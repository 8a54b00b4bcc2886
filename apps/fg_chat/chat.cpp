#include "chat.hpp"

#include <chrono>
#include <cstdio>
#include <random>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/base/nearest.hpp>
#include <fg/base/units.hpp>
#include <fg/infer/prompt.hpp>
#include <fg/log/log.hpp>
#include <fg/session/signals.hpp>

#include "interrupts.hpp"

namespace fg::chat {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view help =
    "/clear        forget the conversation\n"
    "/system TEXT  set what the model is told before it; without TEXT: nothing\n"
    "/help         this list\n"
    "/quit         leave (also: quit, exit, q, Ctrl-D)\n"
    "Ctrl-C ends an answer; at the prompt it leaves.\n";

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::uint64_t any_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

std::string count(std::int64_t number) {
  return with_thousands(static_cast<std::uint64_t>(number));
}

std::string trimmed(const std::string& text) {
  constexpr const char* space = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(space);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

model::Model load(const Options& options, const data::ChatEncoder& encoder) {
  const auto begin = Clock::now();
  model::Model model =
      infer::load_model(options.model, infer::place(options.devices, options.dtype));
  session::check_for_stop();
  infer::require_fit(model.config(), encoder.tokenizer(), options.model.string());
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f", seconds_since(begin));
  log::info(options.model.string() + ": " + count(model.parameters().elements()) +
            " parameters loaded in " + seconds + " s; chat template: " + encoder.template_name());
  return model;
}

}  // namespace

Chat::Chat(const Options& options)
    : options_(options),
      encoder_(infer::load_encoder(options.model, options.chat_template)),
      defaults_(infer::load_generation_defaults(options.model, encoder_)),
      model_(load(options, encoder_)),
      generator_(model_, encoder_.tokenizer()),
      sampler_(options.over(defaults_.sampling), options.seed.value_or(any_seed())),
      system_(options.system) {}

std::vector<std::int32_t> Chat::prompt() const {
  Json messages = Json::array();
  if (!system_.empty()) messages.push_back(infer::message("system", system_));
  for (const Json& turn : turns_) messages.push_back(turn);
  return infer::chat_prompt(encoder_, std::move(messages));
}

infer::Answer Chat::answer(const std::vector<std::int32_t>& prompt, bool continues_prompt,
                           const std::function<bool()>& interrupted) {
  infer::GenerateOptions how;
  how.max_tokens = options_.max_tokens;
  how.eos_ids = defaults_.eos_ids;
  how.stop = options_.stop;
  how.continues_prompt = continues_prompt;
  const auto begin = Clock::now();
  infer::Answer answer =
      generator_.generate(prompt, how, sampler_, {.on_text = put, .interrupted = interrupted});
  if (!answer.text.ends_with('\n')) put("\n");
  if (answer.out_of_positions)
    log::warning("the answer was cut: prompt and answer together fill the model's " +
                 count(model_.config().max_position_embeddings) + " positions");
  if (options_.show_usage) tell_usage(answer, seconds_since(begin));
  return answer;
}

void Chat::tell_usage(const infer::Answer& answer, double seconds) const {
  const auto tokens = static_cast<std::int64_t>(answer.ids.size());
  char rate[64];
  std::snprintf(rate, sizeof rate, "%.2f s, %.1f tokens/s", seconds,
                seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0);
  log::info("prompt " + count(answer.prompt_tokens) + " tokens (" + count(answer.cached_tokens) +
            " seen before), answer " + count(tokens) + " tokens, " + rate +
            ", finish: " + std::string(infer::name_of(answer.finish)));
}

void Chat::answer_once(Lines& lines) {
  const auto interrupted = [] { return session::stop_requested().has_value(); };
  if (options_.completion) {
    answer(infer::text_prompt(encoder_, *options_.completion), true, interrupted);
  } else {
    const std::string text = options_.message ? *options_.message : lines.rest();
    if (trimmed(text).empty()) fail(ExitCode::data, "the message is empty");
    turns_.push_back(infer::message("user", text));
    answer(prompt(), false, interrupted);
  }
  session::check_for_stop();
}

void Chat::take_turn(const std::string& text) {
  turns_.push_back(infer::message("user", text));
  try {
    const infer::Answer given = answer(prompt(), false, [] {
      return interrupt_pending() || session::stop_requested().has_value();
    });
    session::check_for_stop();
    take_interrupt();
    turns_.push_back(infer::message("assistant", given.text));
  } catch (const Error& error) {
    if (error.code() != ExitCode::data) throw;
    turns_.erase(turns_.size() - 1);
    log::error(error.what());
  }
}

void Chat::set_system(const std::string& text) {
  system_ = text;
  put(text.empty() ? "No system text.\n" : "System text set.\n");
}

/// Does what a line that is no message says; false where it is to leave.
bool Chat::obey(const std::string& line) {
  const std::string word = line.substr(0, line.find(' '));
  if (line == "quit" || line == "exit" || line == "q" || line == "/quit") return false;
  if (line == "/clear") {
    turns_ = Json::array();
    put("Forgotten.\n");
  } else if (line == "/help") {
    put(help);
  } else if (word == "/system") {
    set_system(trimmed(line.substr(word.size())));
  } else if (line.starts_with('/')) {
    const std::vector<std::string> known = {"/clear", "/system", "/help", "/quit"};
    put("Unknown command '" + word + "'" + did_you_mean(word, known) +
        "\n/help lists the commands.\n");
  } else {
    take_turn(line);
  }
  return true;
}

void Chat::converse(Lines& lines) {
  watch_interrupts();
  put("/help lists the commands; quit, exit, q or Ctrl-D leaves.\n");
  while (true) {
    put("> ");
    std::optional<std::string> line;
    try {
      line = lines.next();
    } catch (const Error& error) {
      if (error.code() != ExitCode::data) throw;
      log::error(error.what());
      continue;
    }
    if (!line) return put("\n");
    const std::string text = trimmed(*line);
    if (!text.empty() && !obey(text)) return;
  }
}

}  // namespace fg::chat
