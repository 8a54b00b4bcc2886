#pragma once

#include <fg/comm/communicator.hpp>
#include <fg/session/session.hpp>

namespace fg::engine {

/// A part of a run, with the time that ranks may wait for each other in it: for its duration, of
/// the session, of the communicators and of the watchdog.
class Section {
public:
  /// `name` is a literal. `ranks` may be nothing. `seconds`: without any progress.
  Section(session::Session& session, comm::Communicator* ranks, const char* name, double seconds);
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;
  ~Section();

private:
  session::Patience patience_;
  comm::Communicator* ranks_;
  double before_;
};

}  // namespace fg::engine
