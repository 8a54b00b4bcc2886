#pragma once

#include <functional>
#include <string>

#include <fg/session/session.hpp>

namespace fg::data_app {

/// Turns each line of standard input into one line of standard output, in order. Collective: rank 0
/// reads and writes, the lines are divided, so the output is that of one rank. Empty lines are
/// passed over. An Error that `answer` throws ends it: what came before the line has been written,
/// and the message begins with "line N: ".
void answer_lines(session::Session& session,
                  const std::function<std::string(const std::string& line)>& answer);

}  // namespace fg::data_app
