# cmake -DSOURCE_DIR=… -DVERSION=… -DOUTPUT=… -P write_version.cmake
find_package(Git QUIET)
set(commit "unknown")
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} describe --always --dirty --abbrev=12
                  WORKING_DIRECTORY ${SOURCE_DIR} OUTPUT_VARIABLE found RESULT_VARIABLE status
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(status EQUAL 0)
    set(commit ${found})
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[
#include <fg/base/version.hpp>

namespace fg {
std::string_view version() { return "@VERSION@"; }
std::string_view commit() { return "@commit@"; }
}  // namespace fg
]] @ONLY)
