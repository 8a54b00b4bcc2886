#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <fg/base/error.hpp>
#include <fg/store/manifest.hpp>

#include "manifest_text.hpp"

namespace {

/// What parses must come back from its own text.
void parse(const std::string& text) {
  try {
    const fg::store::Manifest manifest = fg::store::parse_manifest(text, "manifest.json");
    const std::string again = fg::store::manifest_text(manifest);
    if (fg::store::parse_manifest(again, "again") != manifest) std::abort();
  } catch (const fg::Error& error) {
    if (error.code() == fg::ExitCode::bug) std::abort();
  }
}

}  // namespace

/// Both as it is, and with its hash put right, so that what lies behind that check is reached.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  parse(text);
  parse(fg::store::seal(text + "\n}\n"));
  return 0;
}
