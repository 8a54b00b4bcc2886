#pragma once

#include <string>

#include <fg/data/chat_encoder.hpp>
#include <fg/data/options.hpp>
#include <fg/data/token_set.hpp>

namespace fg::data {

/// The tokens of `options.sources`: from the cache if it holds them whole, else tokenised on
/// `options.threads` threads into it. The same bytes on any number of threads. Safe to be called by
/// several processes at once on one cache folder: one works (on all its threads), the others wait
/// for it and map what it made; if it dies, the next one works. So ranks simply call it, each. The
/// lock (flock on `<key>.lock`) reaches over NFS; where a file system has no locks each works, and
/// the last to finish puts the same bytes in place.
/// Error(usage) for options that make no sense, Error(data) naming file, line and record for the
/// first record that is wrong or if nothing is left to train on, Error(cannot_save) for the cache.
TokenSet prepare(const Options& options, const ChatEncoder& encoder);

/// The name of the cache entry: hash of all sources' bytes, the tokenizer, the template and the
/// options that decide the tokens. Reads every file.
std::string cache_key(const Options& options, const ChatEncoder& encoder);

}  // namespace fg::data
