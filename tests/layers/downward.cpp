#include <fg/base/error.hpp>
#include <fg/log/log.hpp>
