#include "save_plan.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <fg/base/error.hpp>
#include <fg/base/json.hpp>
#include <fg/base/utf8.hpp>
#include <fg/session/placement.hpp>
#include <fg/store/shards.hpp>

#include "checkpoint_files.hpp"

namespace fg::checkpoint {
namespace {

using store::TensorUse;
constexpr std::array both = {TensorUse::weights, TensorUse::optimizer};
constexpr JsonLimits told_limits = {std::uint64_t{1} << 30, 16};

const std::vector<Slice>& slices_for(const SaveRequest& request, TensorUse use) {
  return use == TensorUse::weights ? request.weights : request.optimizer;
}

std::uint64_t size_of_slice(const Slice& slice) {
  return store::byte_count(
      {slice.tensor.name, slice.tensor.dtype, store::with_rows(slice.tensor.shape, slice.rows)});
}

Json describe_own(const SaveRequest& request) {
  Json own = {{"bytes", std::uint64_t{0}}};
  std::uint64_t bytes = 0;
  for (const TensorUse use : both) {
    Json& list = own[std::string(name_of(use))] = Json::array();
    for (const Slice& slice : slices_for(request, use)) {
      bytes += size_of_slice(slice);
      list.push_back({slice.tensor.name, static_cast<int>(slice.tensor.dtype), slice.tensor.shape,
                      slice.first_row, slice.rows});
    }
  }
  own["bytes"] = bytes;
  return own;
}

/// "pytorch_model-00002-of-00003.bin" for each rank that has weights, "" for the others.
std::vector<std::string> weight_files(const Json& ranks, Format format) {
  const auto has_weights = [](const Json& rank) { return !rank.at("weights").empty(); };
  const auto count = static_cast<std::size_t>(std::ranges::count_if(ranks, has_weights));
  std::vector<std::string> files;
  std::size_t number = 0;
  for (const Json& rank : ranks) {
    const int own = static_cast<int>(files.size());
    if (!has_weights(rank))
      files.emplace_back();
    else if (format == Format::hdf5)
      files.push_back(model_file_name(own));
    else
      files.push_back(store::shard_file_name(store::WeightFormat::torch_bin, ++number, count));
  }
  return files;
}

store::SliceTable join(const Json& ranks, const std::vector<std::string>& files) {
  store::SliceTable table;
  for (const TensorUse use : both) {
    std::vector<store::SlicedTensor>& tensors = table.of(use);
    std::map<std::string, std::size_t> known;
    for (std::size_t rank = 0; rank < ranks.size(); ++rank)
      for (const Json& row : ranks[rank].at(std::string(name_of(use)))) {
        const store::TensorInfo info{row[0].get<std::string>(),
                                     static_cast<store::Dtype>(row[1].get<int>()),
                                     row[2].get<std::vector<std::uint64_t>>()};
        const auto [place, is_new] = known.emplace(info.name, tensors.size());
        if (is_new) tensors.push_back({info, {}});
        store::SlicedTensor& tensor = tensors[place->second];
        if (tensor.info != info)
          fail(ExitCode::bug, "tensor '" + info.name + "' has two dtypes or shapes");
        tensor.slices.push_back({row[3].get<std::uint64_t>(), row[4].get<std::uint64_t>(),
                                 use == TensorUse::weights
                                     ? files[rank]
                                     : optimizer_file_name(static_cast<int>(rank))});
      }
  }
  return table;
}

void require_whole(const store::SliceTable& table) {
  for (const store::SlicedTensor& tensor : table.weights)
    if (tensor.slices.size() != 1)
      fail(ExitCode::usage, "checkpoint.format: bin takes whole tensors only, but '" +
                                tensor.info.name + "' is in " +
                                std::to_string(tensor.slices.size()) +
                                " slices on as many ranks; set checkpoint.format to hdf5");
}

}  // namespace

std::string node_name(const std::string& given) {
  return given.empty() ? session::host_name() : given;
}

Json tell_all(session::Session& session, const Json& own) {
  std::string all = "[";
  for (const std::string& text : session.gather_to_all(own.dump()))
    all += (all.size() > 1 ? ",\n" : "\n") + text;
  return parse_json(all + "]", "what the ranks told", told_limits, ExitCode::bug);
}

FolderGroup folder_group(session::Session& session, bool each_node, const std::string& node) {
  const auto own = static_cast<std::size_t>(session.rank());
  if (!each_node) return {0, own, static_cast<std::size_t>(session.size())};
  const Json nodes = tell_all(session, Json(node.empty() ? session::node_id() : node));
  FolderGroup group{-1, 0, 0};
  for (std::size_t rank = 0; rank < nodes.size(); ++rank) {
    if (nodes[rank] != nodes[own]) continue;
    if (group.leader < 0) group.leader = static_cast<int>(rank);
    if (rank == own) group.index = group.size;
    ++group.size;
  }
  return group;
}

bool leads_folder(session::Session& session, bool each_node, const std::string& node) {
  return folder_group(session, each_node, node).leader == session.rank();
}

void check_own_slices(const SaveRequest& request) {
  for (const TensorUse use : both)
    for (const Slice& slice : slices_for(request, use)) {
      const std::string begin =
          std::string(name_of(use)) + ": slice of '" + slice.tensor.name + "': ";
      const std::uint64_t total = store::row_count(slice.tensor.shape);
      FG_CHECK(!find_invalid_utf8(slice.tensor.name));
      if (!store::element_count(slice.tensor.shape) || slice.rows > total ||
          slice.first_row > total - slice.rows)
        fail(ExitCode::bug, begin + "its rows leave the tensor");
      if (!slice.copy && slice.bytes.size() != size_of_slice(slice))
        fail(ExitCode::bug, begin + "has " + std::to_string(slice.bytes.size()) +
                                " bytes, its rows need " + std::to_string(size_of_slice(slice)));
    }
}

SavePlan make_plan(session::Session& session, const SaveRequest& request) {
  SavePlan plan;
  plan.group = folder_group(session, request.each_node, request.node);
  plan.leads = plan.group.leader == session.rank();
  Json own = describe_own(request);
  own["leader"] = plan.group.leader;
  const Json ranks = tell_all(session, own);
  const std::vector<std::string> files = weight_files(ranks, request.format);
  session.together([&] {
    if (!plan.leads) return;
    plan.table = join(ranks, files);
    store::check_slices(plan.table, "the ranks' slices", ExitCode::bug);
    if (request.format == Format::bin) require_whole(plan.table);
  });
  for (const Json& rank : ranks)
    if (rank.at("leader") == plan.group.leader) plan.bytes += rank.at("bytes").get<std::uint64_t>();
  plan.model_file = files[static_cast<std::size_t>(session.rank())];
  if (!request.optimizer.empty()) plan.optimizer_file = optimizer_file_name(session.rank());
  return plan;
}

}  // namespace fg::checkpoint
