#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <fg/base/json.hpp>
#include <fg/data/chat_encoder.hpp>
#include <fg/infer/generate.hpp>
#include <fg/infer/load.hpp>
#include <fg/model/model.hpp>

#include "console.hpp"
#include "options.hpp"

namespace fg::chat {

/// A model and one conversation with it. Answers go to standard output while they come.
class Chat {
public:
  /// Loads the model. Error(cannot_load).
  explicit Chat(const Options& options);

  /// The one message or text of the options, or standard input. Error(interrupted or terminated)
  /// where a signal cut the answer.
  void answer_once(Lines& lines);
  /// Reads messages and commands until the user leaves or the input ends.
  void converse(Lines& lines);

private:
  bool obey(const std::string& line);
  void set_system(const std::string& text);
  void take_turn(const std::string& text);
  infer::Answer answer(const std::vector<std::int32_t>& prompt, bool continues_prompt,
                       const std::function<bool()>& interrupted);
  std::vector<std::int32_t> prompt() const;
  void tell_usage(const infer::Answer& answer, double seconds) const;

  Options options_;
  data::ChatEncoder encoder_;
  infer::GenerationDefaults defaults_;
  model::Model model_;
  infer::Generator generator_;
  infer::Sampler sampler_;
  std::string system_;
  Json turns_ = Json::array();  // what was said, without the system's text
};

}  // namespace fg::chat
