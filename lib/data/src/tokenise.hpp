#pragma once

#include <fg/data/chat_encoder.hpp>
#include <fg/data/options.hpp>
#include <fg/data/records.hpp>
#include <fg/data/token_set.hpp>

#include "cache_file.hpp"

namespace fg::data {

/// The split, format and files of one source.
struct SourceFiles {
  std::vector<std::filesystem::path> files;
  Format format = Format::automatic;
  std::string split;
  double weight = 1.0;
};

/// Error(usage) for a split or weight that is none, Error(data) for files that are not there.
std::vector<SourceFiles> find_sources(const Options& options);

/// Reads, renders, encodes and fits every record of the sources, in order, on several threads.
/// Errors as `prepare`'s; of several the first in the files' order.
void tokenise(const std::vector<SourceFiles>& sources, const Options& options,
              const ChatEncoder& encoder, CacheWriter& writer, Counts& counts,
              std::vector<SourceRange>& ranges);

}  // namespace fg::data
