// A run configuration's YAML: any bytes load or give one Error(usage); what loads is written as
// YAML that loads to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include <unistd.h>

#include <fg/base/error.hpp>
#include <fg/config/load.hpp>
#include <fg/config/write.hpp>

namespace {

using namespace fg;

std::filesystem::path file_with(std::string_view text) {
  static const std::string path = "/tmp/configuration_fuzzer." + std::to_string(getpid()) + ".yaml";
  std::ofstream(path, std::ios::trunc) << text;
  return path;
}

std::optional<std::string> no_variable(const std::string&) {
  return std::nullopt;
}

std::optional<config::Configuration> loaded(std::string_view text) {
  try {
    return config::load(file_with(text), {}, "/", no_variable).configuration;
  } catch (const Error& error) {
    if (error.code() != ExitCode::usage) std::abort();
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto first = loaded({reinterpret_cast<const char*>(data), size});
  if (!first) return 0;
  const auto second = loaded(config::to_yaml(*first));
  if (!second || !(*second == *first)) std::abort();
  if (!config::difference(config::to_json(*first), config::to_json(*second)).empty()) std::abort();
  return 0;
}
