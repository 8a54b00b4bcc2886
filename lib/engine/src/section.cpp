#include "section.hpp"

#include <fg/session/pulse.hpp>

namespace fg::engine {

Section::Section(session::Session& session, comm::Communicator* ranks, const char* name,
                 double seconds)
    : patience_(session, seconds), ranks_(ranks), before_(ranks != nullptr ? ranks->timeout() : 0) {
  if (ranks_ != nullptr) ranks_->set_timeout(seconds);
  session::enter_section(name, seconds);
}

Section::~Section() {
  if (ranks_ != nullptr) ranks_->set_timeout(before_);
  session::enter_section("step", before_);
}

}  // namespace fg::engine
