#pragma once

#include <memory>

namespace fg::device {

/// An event with its time, behind the work queued on the current GPU's current stream.
std::shared_ptr<void> record_event();
/// Waits for an event of record_event, and counts that.
void wait_for(void* event);
/// Both must be over.
double seconds_between(void* first, void* second);

}  // namespace fg::device
