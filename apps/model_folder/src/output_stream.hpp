#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include <fg/model_folder/plan.hpp>

namespace fg::model_folder {

/// The bytes that one tensor of the new folder shall have, piece by piece: read from the source,
/// converted, and with the rows that new tokens were given. What is written and what verification
/// compares with both come from here. Holds one piece and the new tokens' rows, never a tensor.
class OutputStream {
public:
  OutputStream(const OutputTensor& tensor, Source& source);

  /// The next bytes, or an empty span at the end. Valid until the next call.
  std::span<const std::byte> next();
  /// Where in the tensor the last piece began.
  std::uint64_t offset() const { return piece_begin_; }

private:
  void make_rows();
  std::vector<std::byte> mean_row();
  void read_source(std::uint64_t begin, std::span<std::byte> out);
  void patch_rows(std::span<std::byte> piece);

  const OutputTensor& tensor_;
  Source& source_;
  store::Dtype source_dtype_;
  std::uint64_t source_bytes_;  // of the source's part, in the new dtype
  std::uint64_t total_bytes_;
  std::uint64_t row_bytes_ = 0;                           // where rows are filled
  std::map<std::uint64_t, std::vector<std::byte>> rows_;  // by number
  std::vector<std::byte> piece_;
  std::vector<std::byte> raw_;  // the piece in the source's dtype
  std::uint64_t piece_begin_ = 0;
  std::uint64_t next_begin_ = 0;
};

}  // namespace fg::model_folder
