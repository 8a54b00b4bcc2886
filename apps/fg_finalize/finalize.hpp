#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <fg/model_folder/options.hpp>
#include <fg/session/session.hpp>

namespace fg::finalize {

struct Options {
  std::vector<std::filesystem::path> runs;  // at least one
  std::string checkpoint;                   // empty: the latest
  model_folder::Options folder;             // all but its sources
};

/// The whole job. Collective. The target is whole or absent whatever happens, the runs are never
/// touched. Throws Error.
void finalize(session::Session& session, Options options);

}  // namespace fg::finalize
