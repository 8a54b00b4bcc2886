#include "output_stream.hpp"

#include <algorithm>
#include <cstring>

#include <fg/arch/new_rows.hpp>
#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/store/convert_dtype.hpp>

namespace fg::model_folder {
namespace {

constexpr std::uint64_t piece_bytes = 8 << 20;

}  // namespace

OutputStream::OutputStream(const OutputTensor& tensor, Source& source)
    : tensor_(tensor), source_(source) {
  const auto& found = source.tensors(tensor.use)[tensor.source];
  source_dtype_ = found.dtype;
  total_bytes_ = store::byte_count(tensor.info);
  source_bytes_ = store::byte_count({.name = {}, .dtype = tensor.info.dtype, .shape = found.shape});
  if (tensor.fills.empty()) return;
  row_bytes_ = tensor.row_elements * store::size_of(tensor.info.dtype);
  make_rows();
}

void OutputStream::make_rows() {
  const bool planted = fault_planted("convert.eos_row_not_copied");
  const bool state_lost =
      fault_planted("finalize.state_not_copied") && tensor_.use == store::TensorUse::optimizer;
  std::vector<std::byte> mean;
  for (const RowFill& fill : tensor_.fills) {
    std::vector<std::byte> bytes(row_bytes_);
    if (fill.kind == RowFill::Kind::copy && !planted && !state_lost)
      read_source(fill.source * row_bytes_, bytes);
    if (fill.kind == RowFill::Kind::mean) bytes = mean.empty() ? mean = mean_row() : mean;
    if (fill.kind == RowFill::Kind::ones) std::ranges::fill(bytes, std::byte{0xFF});
    rows_[fill.row] = std::move(bytes);
  }
}

std::vector<std::byte> OutputStream::mean_row() {
  arch::MeanRow mean(tensor_.row_elements, tensor_.info.dtype);
  const std::uint64_t rows = tensor_.mean_rows;
  const std::uint64_t rows_a_piece = std::max<std::uint64_t>(1, piece_bytes / row_bytes_);
  std::vector<std::byte> piece;
  for (std::uint64_t row = 0; row < rows; row += rows_a_piece) {
    piece.resize(std::min(rows_a_piece, rows - row) * row_bytes_);
    read_source(row * row_bytes_, piece);
    mean.add(piece);
  }
  return mean.finish();
}

void OutputStream::read_source(std::uint64_t begin, std::span<std::byte> out) {
  FG_CHECK(begin + out.size() <= source_bytes_);
  const store::Dtype to = tensor_.info.dtype;
  if (source_dtype_ == to) return source_.read(tensor_.use, tensor_.source, begin, out);
  const std::uint64_t first = begin / store::size_of(to);
  const std::uint64_t count = out.size() / store::size_of(to);
  raw_.resize(count * store::size_of(source_dtype_));
  source_.read(tensor_.use, tensor_.source, first * store::size_of(source_dtype_), raw_);
  store::convert(source_dtype_, raw_, to, out);
}

void OutputStream::patch_rows(std::span<std::byte> piece) {
  const std::uint64_t end = piece_begin_ + piece.size();
  auto row = rows_.lower_bound(piece_begin_ / row_bytes_);
  for (; row != rows_.end() && row->first * row_bytes_ < end; ++row) {
    const std::uint64_t begin = row->first * row_bytes_;
    const std::uint64_t from = std::max(begin, piece_begin_);
    const std::uint64_t to = std::min(begin + row_bytes_, end);
    std::memcpy(piece.data() + (from - piece_begin_), row->second.data() + (from - begin),
                to - from);
  }
}

std::span<const std::byte> OutputStream::next() {
  piece_begin_ = next_begin_;
  const std::uint64_t size = std::min(piece_bytes, total_bytes_ - piece_begin_);
  if (size == 0) return {};
  piece_.resize(size);
  // Rows behind the source's table begin as zeros.
  const std::uint64_t from_source =
      piece_begin_ < source_bytes_ ? std::min(size, source_bytes_ - piece_begin_) : 0;
  const std::span<std::byte> piece(piece_);
  if (from_source > 0) read_source(piece_begin_, piece.first(from_source));
  std::fill(piece_.begin() + static_cast<std::ptrdiff_t>(from_source), piece_.end(), std::byte{0});
  if (!rows_.empty()) patch_rows(piece);
  next_begin_ = piece_begin_ + size;
  return piece;
}

}  // namespace fg::model_folder
