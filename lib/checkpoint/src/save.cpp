#include <algorithm>
#include <cstdio>
#include <map>
#include <random>

#include <fg/base/error.hpp>
#include <fg/base/failpoint.hpp>
#include <fg/base/file.hpp>
#include <fg/checkpoint/choose.hpp>
#include <fg/checkpoint/save.hpp>
#include <fg/store/manifest.hpp>
#include <fg/store/shards.hpp>
#include <fg/store/staged_folder.hpp>

#include "checkpoint_files.hpp"
#include "save_plan.hpp"

namespace fg::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t max_copy_bytes = std::uint64_t{256} << 20;

void check_request(const SaveRequest& request) {
  const auto is_plain = [](char letter) {
    return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
           (letter >= 'A' && letter <= 'Z') || letter == '-';
  };
  FG_CHECK(!request.run.empty() && std::ranges::all_of(request.run, is_plain));
  FG_CHECK(request.trainer.is_object());
  fail_point("save.begin");
  check_own_slices(request);
}

void write_slice(store::TensorFileWriter& writer, std::size_t index, const Slice& slice) {
  if (!slice.copy) return writer.write(index, 0, slice.bytes);
  const std::uint64_t size = store::byte_count(writer.tensors()[index]);
  std::vector<std::byte> piece(std::min<std::uint64_t>(size, copy_piece));
  for (std::uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(size - at, copy_piece));
    slice.copy(at, piece);
    writer.write(index, at, piece);
  }
}

/// Writes and syncs one file of this rank.
store::FileRecord write_slices(store::WeightFormat format, const fs::path& path,
                               const std::vector<Slice>& slices) {
  std::vector<store::TensorInfo> tensors;
  for (const Slice& slice : slices)
    tensors.push_back(
        {slice.tensor.name, slice.tensor.dtype, store::with_rows(slice.tensor.shape, slice.rows)});
  const auto writer = store::create_weight_file(format, path, std::move(tensors));
  for (std::size_t i = 0; i < slices.size(); ++i) write_slice(*writer, i, slices[i]);
  writer->finish();
  return store::record_of_file(path, ExitCode::cannot_save);
}

using Records = std::map<std::string, store::FileRecord>;

Records write_own_files(const SaveRequest& request, const SavePlan& plan, const fs::path& staged) {
  Records records;
  if (!plan.model_file.empty())
    records[plan.model_file] = write_slices(
        request.format == Format::bin ? store::WeightFormat::torch_bin : store::WeightFormat::hdf5,
        staged / plan.model_file, request.weights);
  fail_point("save.after_weights");
  if (!plan.optimizer_file.empty())
    records[plan.optimizer_file] =
        write_slices(store::WeightFormat::hdf5, staged / plan.optimizer_file, request.optimizer);
  fail_point("save.after_optimizer");
  return records;
}

/// On every rank: what the ranks of its folder wrote, as they saw it themselves.
Records exchange_records(session::Session& session, const Records& own, int leader) {
  Json mine = {{"leader", leader}, {"files", Json::object()}};
  for (const auto& [file, record] : own) mine["files"][file] = {record.size, record.xxh3_128};
  const Json ranks = tell_all(session, mine);
  Records records;
  for (const Json& rank : ranks)
    if (rank.at("leader") == leader)
      for (const auto& [file, record] : rank.at("files").items())
        records[file] = {record[0].get<std::uint64_t>(), record[1].get<std::string>()};
  return records;
}

void put_copies(const std::vector<fs::path>& copies, const fs::path& staged) {
  for (const fs::path& file : copies) {
    std::string text;
    try {
      text = read_text(file, max_copy_bytes);
    } catch (const Error& error) {
      fail(ExitCode::cannot_save, error.what());
    }
    write_synced(staged / file.filename(), text);
  }
}

/// As Hugging Face has it for shards; one file a rank.
std::string bin_index(const store::SliceTable& table) {
  std::vector<store::TensorInfo> tensors;
  std::map<std::string, store::Shard> shards;
  for (const store::SlicedTensor& tensor : table.weights) {
    store::Shard& shard = shards[tensor.slices.front().file];
    shard.file = tensor.slices.front().file;
    shard.tensors.push_back(tensors.size());
    tensors.push_back(tensor.info);
  }
  std::vector<store::Shard> list;
  for (auto& [file, shard] : shards) list.push_back(std::move(shard));
  return store::index_json(tensors, list);
}

/// Sixteen hexadecimal digits, new each time.
std::string name_of_save() {
  std::random_device random;
  char text[24];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

/// Collective. What rank 0 alone knows, on every rank: {"text": of trainer.json, "save": name of
/// this save, "metric": ...}.
Json share_trainer(session::Session& session, const SaveRequest& request) {
  std::string text;
  session.together([&] {
    if (!session.is_first()) return;
    Json own = {{"text", trainer_text(request.trainer, request.step)}, {"save", name_of_save()}};
    if (request.metric) own["metric"] = *request.metric;  // NaN becomes null
    text = own.dump();
  });
  return parse_json(session.broadcast(text), "trainer.json", {std::uint64_t{256} << 20, 8},
                    ExitCode::bug);
}

/// The leader's part once all ranks have written theirs. The manifest is the last file.
void write_common_files(const SaveRequest& request, const SavePlan& plan, const Json& trainer,
                        const fs::path& staged, std::uint64_t world, Records records) {
  put_copies(request.copies, staged);
  write_synced(staged / trainer_name, trainer.at("text").get<std::string>());
  if (request.format == Format::bin && !plan.table.weights.empty())
    write_synced(staged / store::index_file_name(store::WeightFormat::torch_bin),
                 bin_index(plan.table));
  fail_point("save.before_manifest");
  store::Manifest manifest;
  manifest.files = std::move(records);
  Info info{request.step, world, std::nullopt, trainer.at("save").get<std::string>()};
  if (const auto metric = trainer.find("metric"); metric != trainer.end() && metric->is_number())
    info.metric = metric->get<double>();
  put_info(info, manifest);
  store::put_slices(plan.table, manifest);
  if (!fault_planted("checkpoint.manifest_not_written"))
    store::write_manifest(staged, std::move(manifest));
}

std::uint64_t size_of_copies(const SaveRequest& request) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const fs::path& file : request.copies)
    if (const std::uint64_t size = fs::file_size(file, error); !error) bytes += size;
  return bytes;
}

/// No two saves stage under one name: over NFS another machine may believe for a minute that a name
/// leads where it led before.
std::string staging_name(const SaveRequest& request, const Json& trainer) {
  static const bool is_old = fault_planted("checkpoint.staging_name_again");
  return ".tmp-" + request.run + "-" +
         (is_old ? "0123456789abcdef" : trainer.at("save").get<std::string>());
}

/// Every step that writes. On the leader `staged` is what is to be removed if one of them fails.
fs::path save_staged(session::Session& session, const SaveRequest& request, const SavePlan& plan,
                     const Json& trainer, std::optional<store::StagedFolder>& staged) {
  const std::string staging = staging_name(request, trainer);
  const fs::path target = request.folder / name_of_step(request.step);
  const fs::path staged_path = request.folder / staging;
  session.together([&] {
    if (!plan.leads) return;
    store::require_space(request.folder, plan.bytes + size_of_copies(request));
    staged.emplace(target, store::Overwrite::yes, staging);
    fail_point("save.staged");
  });
  Records records;
  session.together([&] { records = write_own_files(request, plan, staged_path); });
  records = exchange_records(session, records, plan.group.leader);
  session.together([&] {
    if (!plan.leads) return;
    write_common_files(request, plan, trainer, staged_path,
                       static_cast<std::uint64_t>(session.size()), std::move(records));
    fail_point("save.before_commit");
    if (fault_planted("checkpoint.partial_commit")) {
      staged->commit();
      staged.reset();
    }
  });
  session.together([&] {
    if (!staged) return;
    staged->commit();
    staged.reset();
    fail_point("save.committed");
  });
  return target;
}

}  // namespace

Slice whole(store::TensorInfo tensor, std::span<const std::byte> bytes) {
  const std::uint64_t rows = store::row_count(tensor.shape);
  return {std::move(tensor), 0, rows, bytes, {}};
}

fs::path save(session::Session& session, const SaveRequest& request) {
  session.together([&] { check_request(request); });
  const SavePlan plan = make_plan(session, request);
  const Json trainer = share_trainer(session, request);
  std::optional<store::StagedFolder> staged;
  try {
    return save_staged(session, request, plan, trainer, staged);
  } catch (...) {
    // Where some rank failed inside `together` all are here, and nobody leaves before all is
    // removed. Else a rank has hung, and to meet again would be to wait for it again.
    staged.reset();
    if (session.failed_together()) session.agree(ExitCode::done);
    throw;
  }
}

}  // namespace fg::checkpoint
