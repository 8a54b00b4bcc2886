// Ranks on nodes with a disk each: rank r's node is the word in $FG_NODE, its run ROOT/NODE.
//   node_tool save ROOT STEP       saves a state that STEP decides, by rows over the ranks, and
//       thins the checkpoints out (the last two stay)
//   node_tool resume ROOT          chooses, reads the share that each rank would have, and all of
//       some tensors; compares; prints "step N", and what each rank received
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include <fg/checkpoint/read_all.hpp>
#include <fg/checkpoint/retention.hpp>
#include <fg/checkpoint/run_folder.hpp>
#include <fg/checkpoint/save.hpp>
#include <fg/comm/bytes.hpp>

namespace {

using namespace fg;
using namespace fg::checkpoint;
using store::Dtype;
using store::TensorUse;
using Words = std::vector<std::string>;
using Bytes = std::vector<std::byte>;

struct Named {
  TensorUse use;
  store::TensorInfo info;
};

const std::vector<Named>& state() {
  static const std::vector<Named> all = {
      {TensorUse::weights, {"model.embed_tokens.weight", Dtype::bfloat16, {997, 64}}},
      {TensorUse::weights, {"model.norm.weight", Dtype::float32, {64}}},
      {TensorUse::weights, {"lm_head.weight", Dtype::bfloat16, {501, 3, 4}}},
      {TensorUse::optimizer, {"model.norm.weight.exp_avg", Dtype::float32, {64}}},
      {TensorUse::optimizer, {"lm_head.weight.step", Dtype::int64, {}}}};
  return all;
}

/// What the tensor holds at a step: nothing repeats, so that wrong rows show.
Bytes content(std::size_t tensor, std::uint64_t step) {
  Bytes bytes(store::byte_count(state()[tensor].info));
  std::uint64_t word = (tensor + 1) * 0x9e3779b97f4a7c15ULL + step;
  for (std::byte& byte : bytes) {
    word = word * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<std::byte>(word >> 56);
  }
  return bytes;
}

struct Rows {
  std::uint64_t first;
  std::uint64_t count;
};

Rows share(const store::TensorInfo& info, const session::Session& session) {
  const auto rank = static_cast<std::uint64_t>(session.rank());
  const auto ranks = static_cast<std::uint64_t>(session.size());
  const std::uint64_t rows = store::row_count(info.shape);
  const std::uint64_t first = rows * rank / ranks;
  return {first, rows * (rank + 1) / ranks - first};
}

std::string node() {
  const char* name = std::getenv("FG_NODE");
  if (name == nullptr) fail(ExitCode::usage, "FG_NODE is not set");
  return name;
}

void save_step(session::Session& session, const std::filesystem::path& root, std::uint64_t step) {
  const std::filesystem::path folder = checkpoints_in(root / node());
  SaveRequest request;
  session.together([&] { std::filesystem::create_directories(folder); });
  request.folder = folder;
  request.step = step;
  request.run = "driver";
  request.trainer = {{"tokens", step}};
  request.each_node = true;
  request.node = node();
  std::vector<Bytes> contents;
  for (std::size_t i = 0; i < state().size(); ++i) contents.push_back(content(i, step));
  for (std::size_t i = 0; i < state().size(); ++i) {
    const store::TensorInfo& info = state()[i].info;
    const Rows rows = share(info, session);
    if (rows.count == 0) continue;
    const std::uint64_t row_bytes = contents[i].size() / store::row_count(info.shape);
    (state()[i].use == TensorUse::weights ? request.weights : request.optimizer)
        .push_back(
            {.tensor = info,
             .first_row = rows.first,
             .rows = rows.count,
             .bytes =
                 std::span(contents[i]).subspan(rows.first * row_bytes, rows.count * row_bytes),
             .copy = {}});
  }
  checkpoint::save(session, request);
  for (const std::string& note :
       retain_on_each_node(session, folder, step, {.keep = 2, .keep_best = 0}, node()).notes)
    std::cerr << note << '\n';
}

void resume(session::Session& session, const std::filesystem::path& root) {
  comm::Options options;
  options.timeout_s = 30;
  const auto group = comm::Communicator::connect(session, options);
  const auto choice = choose(session, root / node(), {}, true, node());
  if (!choice) fail(ExitCode::cannot_load, "nothing to resume from");
  Reader reader = open(session, *choice);
  std::vector<Wanted> wanted;
  std::vector<std::size_t> which;
  std::vector<Bytes> outs;
  outs.reserve(2 * state().size());
  const auto want = [&](std::size_t tensor, Rows rows) {
    const store::TensorInfo& info = state()[tensor].info;
    const std::uint64_t row_bytes = store::byte_count(info) / store::row_count(info.shape);
    outs.emplace_back(rows.count * row_bytes);
    which.push_back(tensor);
    wanted.push_back({state()[tensor].use, info.name, rows.first, rows.count, outs.back()});
  };
  for (std::size_t i = 0; i < state().size(); ++i) {
    want(i, share(state()[i].info, session));
    if (i % 2 == 1) want(i, {0, store::row_count(state()[i].info.shape)});
  }
  std::uint64_t received = 0;
  const Exchange exchange{
      [&](std::span<const std::byte> bytes, int to) { comm::send_bytes(*group, bytes, to); },
      [&](std::span<std::byte> bytes, int from) {
        comm::recv_bytes(*group, bytes, from);
        received += bytes.size();
      }};
  read_all(session, exchange, reader, wanted);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Bytes right = content(which[i], choice->step);
    const std::uint64_t row_bytes = right.size() / store::row_count(state()[which[i]].info.shape);
    if (!std::equal(outs[i].begin(), outs[i].end(),
                    right.begin() + static_cast<std::ptrdiff_t>(wanted[i].first_row * row_bytes)))
      fail(ExitCode::bug, wanted[i].name + ": other bytes than were saved");
  }
  if (session.is_first()) std::cout << "step " << choice->step << '\n' << std::flush;
  std::cout << "rank " + std::to_string(session.rank()) + " received " + std::to_string(received) +
                   "\n";
}

}  // namespace

int main(int count, char** arguments) {
  session::Session session(count, arguments);
  try {
    const Words words(arguments + 1, arguments + count);
    if (words.at(0) == "save")
      save_step(session, words.at(1), std::stoull(words.at(2)));
    else
      resume(session, words.at(1));
    return 0;
  } catch (const Error& error) {
    std::cerr << error.what() << '\n';
    if (!session.failed_together()) session.abort(error.code());
    return static_cast<int>(error.code());
  }
}
