#include <fg/base/error.hpp>
#include <fg/log/log.hpp>  // base is below log: this must not be found
