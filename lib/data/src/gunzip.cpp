#include "gunzip.hpp"

#include <algorithm>
#include <limits>

#include <zlib.h>

#include <fg/base/error.hpp>
#include <fg/base/units.hpp>

namespace fg::data {
namespace {

constexpr std::size_t piece_bytes = 1 << 20;
constexpr int gzip_window = 15 + 16;  // zlib: the largest window, with gzip's header

class Inflater {
public:
  Inflater(std::span<const std::byte> packed, const std::string& name, std::uint64_t most)
      : packed_(packed), name_(name), most_(most) {
    if (inflateInit2(&stream_, gzip_window) != Z_OK)
      fail(ExitCode::data, name_ + ": zlib cannot start");
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }

  std::string run() {
    bool ended = false;
    while (!ended || taken_ < packed_.size()) {
      if (ended && inflateReset(&stream_) != Z_OK) fail(ExitCode::data, name_ + ": zlib stopped");
      ended = unpack_piece();
    }
    return std::move(text_);
  }

private:
  /// True at the end of a member.
  bool unpack_piece() {
    const std::size_t left = packed_.size() - taken_;
    const auto offered =
        static_cast<uInt>(std::min<std::size_t>(left, std::numeric_limits<uInt>::max()));
    const std::size_t before = text_.size();
    text_.resize(before + piece_bytes);
    // zlib's interface has no const; it does not write to its input.
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed_.data() + taken_));
    stream_.avail_in = offered;
    stream_.next_out = reinterpret_cast<Bytef*>(text_.data() + before);
    stream_.avail_out = piece_bytes;
    const int answer = inflate(&stream_, Z_NO_FLUSH);
    taken_ += offered - stream_.avail_in;
    text_.resize(before + piece_bytes - stream_.avail_out);
    if (answer == Z_BUF_ERROR) fail(ExitCode::data, name_ + ": the gzip file is cut off");
    if (answer != Z_OK && answer != Z_STREAM_END)
      fail(ExitCode::data, name_ + ": damaged gzip file at byte " + std::to_string(taken_) +
                               (stream_.msg == nullptr ? "" : std::string(": ") + stream_.msg));
    if (text_.size() > most_)
      fail(ExitCode::data, name_ + ": unpacks to more than " + format_bytes(most_) +
                               "; divide it into several files");
    return answer == Z_STREAM_END;
  }

  std::span<const std::byte> packed_;
  const std::string& name_;
  std::uint64_t most_;
  z_stream stream_{};
  std::size_t taken_ = 0;
  std::string text_;
};

}  // namespace

std::string gunzip(std::span<const std::byte> packed, const std::string& name, std::uint64_t most) {
  return Inflater(packed, name, most).run();
}

}  // namespace fg::data
