#include "weights.hpp"

#include <algorithm>
#include <memory>
#include <numeric>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/log/progress.hpp>
#include <fg/session/signals.hpp>
#include <fg/store/shards.hpp>

#include "output_stream.hpp"

namespace fg::model_folder {
namespace {

std::unique_ptr<store::TensorFileWriter> create(const Plan& plan, const OutputShard& shard,
                                                const std::filesystem::path& folder) {
  std::vector<store::TensorInfo> infos;
  for (const std::size_t tensor : shard.tensors) infos.push_back(plan.tensors[tensor].info);
  return store::create_weight_file(shard.format, folder / shard.name, std::move(infos));
}

}  // namespace

std::vector<std::vector<std::size_t>> divide_shards(const Plan& plan, int ranks) {
  std::vector<std::size_t> by_size(plan.shards.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(), [&](std::size_t a, std::size_t b) {
    return plan.shards[a].bytes > plan.shards[b].bytes;
  });
  std::vector<std::vector<std::size_t>> shards_of(static_cast<std::size_t>(ranks));
  std::vector<std::uint64_t> bytes_of(shards_of.size());
  for (const std::size_t shard : by_size) {
    const auto least = static_cast<std::size_t>(std::min_element(bytes_of.begin(), bytes_of.end()) -
                                                bytes_of.begin());
    shards_of[least].push_back(shard);
    bytes_of[least] += plan.shards[shard].bytes;
  }
  return shards_of;
}

void write_shards(const Plan& plan, const std::vector<std::size_t>& shards, Source& source,
                  const std::filesystem::path& folder) {
  std::uint64_t bytes = 0;
  for (const std::size_t shard : shards) bytes += plan.shards[shard].bytes;
  log::Progress progress("weights", bytes);
  for (const std::size_t index : shards) {
    const OutputShard& shard = plan.shards[index];
    const auto writer = create(plan, shard, folder);
    for (std::size_t i = 0; i < shard.tensors.size(); ++i) {
      OutputStream stream(plan.tensors[shard.tensors[i]], source);
      for (auto piece = stream.next(); !piece.empty(); piece = stream.next()) {
        session::check_for_stop();
        fail_point("convert.piece");
        writer->write(i, stream.offset(), piece);
        progress.advance(piece.size());
      }
    }
    writer->finish();
    fail_point("convert.after_shard");
  }
  progress.finish();
}

}  // namespace fg::model_folder
