#include <fg/app/program.hpp>
#include <fg/base/error.hpp>

#include "chat.hpp"
#include "console.hpp"
#include "options.hpp"

namespace {

using namespace fg;

void run(session::Session& session, const app::Arguments& arguments) {
  session.together([&] {
    if (session.size() > 1)
      fail(ExitCode::usage,
           "a conversation has one rank; " + std::to_string(session.size()) + " were started");
    const chat::Options options = chat::read_options(arguments);
    chat::Chat conversation(options);
    chat::Lines lines;
    const bool is_single = options.message || options.completion;
    if (options.interactive || (!is_single && chat::is_terminal()))
      conversation.converse(lines);
    else
      conversation.answer_once(lines);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return app::run(argc, argv, chat::describe(), run);
}
