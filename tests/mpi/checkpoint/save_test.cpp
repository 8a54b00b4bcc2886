#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include <fg/base/json.hpp>
#include <fg/checkpoint/choose.hpp>
#include <fg/store/model_weights.hpp>
#include <fg/store/torch_bin.hpp>
#include <fg/test/expect_error.hpp>

#include "sample.hpp"

namespace fg::checkpoint {
namespace {

namespace fs = std::filesystem;
using store::TensorUse;
using test::expect_error;

void expect_state(Reader& reader, const State& state) {
  for (const Sample& tensor : state.weights)
    EXPECT_EQ(read_whole(reader, TensorUse::weights, tensor), tensor.bytes) << tensor.info.name;
  for (const Sample& tensor : state.optimizer)
    EXPECT_EQ(read_whole(reader, TensorUse::optimizer, tensor), tensor.bytes) << tensor.info.name;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

/// Whose fault an error is: that rank sees its own text, the others that another failed.
template <typename Action>
void expect_common_error(bool is_mine, ExitCode code, const std::string& part, Action&& action) {
  expect_error(code, is_mine || SharedRun::ranks() == 1 ? part : "another rank failed", action);
  SharedRun::session().forget_failure();
}

TEST(Save, IsReadByEveryRankWhateverTheLayout) {
  const SharedRun run;
  const State state(120);
  const fs::path folder = save(run.session(), run.request(120, state));

  EXPECT_EQ(folder, run.folder(120));
  EXPECT_EQ(names_in(run.checkpoints()), std::vector<std::string>{"checkpoint-120"});
  Reader reader(folder);
  expect_state(reader, state);
  EXPECT_EQ(reader.step(), 120u);
  EXPECT_EQ(reader.world(), run.ranks());
  EXPECT_EQ(reader.trainer().whole_number("tokens"), 120000u);
  EXPECT_EQ(reader.trainer().object("cursor").whole_number("row"), 7u);
  EXPECT_EQ(read_text(folder / "config.json", 100), read_text(run.root() / "config.json", 100));
  run.meet();
}

TEST(Save, ReadsAnyRowsAcrossFiles) {
  const SharedRun run;
  const State state(1);
  Reader reader(save(run.session(), run.request(1, state)));
  const Sample& tensor = state.weights.front();
  for (std::uint64_t first = 0; first <= tensor.rows(); ++first)
    for (std::uint64_t rows = 0; rows <= tensor.rows() - first; ++rows) {
      std::vector<std::byte> bytes(rows * tensor.row_bytes());
      reader.read(TensorUse::weights, tensor.info.name, first, rows, bytes);
      const Slice wanted = tensor.slice(first, rows);
      ASSERT_TRUE(std::ranges::equal(bytes, wanted.bytes)) << first << " + " << rows;
    }
  run.meet();
}

TEST(Save, MakesAFolderThatIsAModelDirectory) {
  const SharedRun run;
  const State state(7);
  store::ModelWeights weights(save(run.session(), run.request(7, state)));

  ASSERT_EQ(weights.tensors().size(), state.weights.size());
  for (const Sample& tensor : state.weights) {
    const std::size_t index = weights.find(tensor.info.name).value();
    EXPECT_EQ(weights.tensors()[index], tensor.info);
    std::vector<std::byte> bytes(tensor.bytes.size() - 3);
    weights.read(index, 3, bytes);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), tensor.bytes.begin() + 3));
  }
  EXPECT_EQ(weights.format(), store::WeightFormat::hdf5);
  EXPECT_EQ(weights.files().front(), "model-r00000.h5");
  run.meet();
}

TEST(Save, TakesTensorsThatAreCopiedOutPieceByPiece) {
  const SharedRun run;
  const State state(3);
  SaveRequest request = run.request(3, state);
  for (Slice& slice : request.weights)
    slice.copy = [source = std::exchange(slice.bytes, {})](std::uint64_t offset,
                                                           std::span<std::byte> out) {
      std::memcpy(out.data(), source.data() + offset, out.size());
    };
  Reader reader(save(run.session(), request));

  expect_state(reader, state);
  run.meet();
}

TEST(Save, WritesWholeTensorsAsBin) {
  const SharedRun run;
  const State state(5);
  SaveRequest request = run.request(5, state);
  request.format = Format::bin;
  request.weights = dealt_out(state.weights, run.rank(), run.ranks());
  const fs::path folder = save(run.session(), request);
  const std::size_t files = std::min<std::size_t>(run.ranks(), state.weights.size());
  const std::string first = store::shard_file_name(store::WeightFormat::torch_bin, 1, files);

  EXPECT_EQ(store::open_torch_bin(folder / first)->tensors().front(), state.weights[0].info);
  EXPECT_TRUE(fs::exists(folder / "pytorch_model.bin.index.json"));
  const store::ModelWeights weights(folder);
  EXPECT_EQ(weights.format(), store::WeightFormat::torch_bin);
  EXPECT_EQ(weights.tensors().size(), state.weights.size());
  Reader reader(folder);
  expect_state(reader, state);
  run.meet();
}

TEST(Save, RefusesBinForTensorsInSlices) {
  const SharedRun run;
  if (run.ranks() == 1) return;
  const State state(5);
  SaveRequest request = run.request(5, state);
  request.format = Format::bin;
  expect_common_error(run.session().is_first(), ExitCode::usage, "takes whole tensors only",
                      [&] { save(run.session(), request); });
  EXPECT_TRUE(names_in(run.checkpoints()).empty());
  run.meet();
}

TEST(Save, RefusesRowsThatAreMissingOrThereTwice) {
  const SharedRun run;
  const State state(5);
  const bool last = run.rank() + 1 == run.ranks();
  SaveRequest request = run.request(5, state);
  if (last) {
    Slice& slice = request.weights.front();
    --slice.rows;
    slice.bytes = slice.bytes.first(slice.rows * state.weights.front().row_bytes());
  }
  expect_common_error(run.session().is_first(), ExitCode::bug, "rows 36 to 37 are missing",
                      [&] { save(run.session(), request); });
  request = run.request(5, state);
  if (last) request.weights.push_back(whole(state.weights[1].info, state.weights[1].bytes));
  expect_common_error(run.session().is_first(), ExitCode::bug, "model.norm.weight",
                      [&] { save(run.session(), request); });
  request = run.request(5, state);
  if (last) request.optimizer.push_back({{"x", store::Dtype::uint8, {4}}, 2, 3, {}, {}});
  expect_common_error(last, ExitCode::bug, "its rows leave the tensor",
                      [&] { save(run.session(), request); });
  EXPECT_TRUE(names_in(run.checkpoints()).empty());
  run.meet();
}

TEST(Save, FailsOnAllRanksWhenOneFailsAndLeavesNothing) {
  const SharedRun run;
  run.save_step(1);
  const State state(2);
  const bool last = run.rank() + 1 == run.ranks();
  SaveRequest request = run.request(2, state);
  for (Slice& slice : request.weights)
    slice.copy = [last](std::uint64_t, std::span<std::byte>) {
      if (last) fail(ExitCode::cannot_save, "the device is gone");
    };
  expect_common_error(last, ExitCode::cannot_save, "the device is gone",
                      [&] { save(run.session(), request); });
  EXPECT_EQ(names_in(run.checkpoints()), std::vector<std::string>{"checkpoint-1"});
  run.meet();
  verify(run.folder(1));
  run.meet();
  // And the next one goes through.
  Reader reader(save(run.session(), run.request(2, state)));
  expect_state(reader, state);
  run.meet();
}

TEST(Save, NamesAFileThatCannotBeCopied) {
  const SharedRun run;
  const State state(2);
  SaveRequest request = run.request(2, state);
  request.copies.push_back(run.root() / "gone.json");
  expect_common_error(run.session().is_first(), ExitCode::cannot_save, "gone.json",
                      [&] { save(run.session(), request); });
  EXPECT_TRUE(names_in(run.checkpoints()).empty());
  run.meet();
}

TEST(Save, ReplacesAnEqualStepAndAStagedFolderOfItsOwn) {
  const SharedRun run;
  run.save_step(2);
  run.damage(run.folder(2) / "model-r00000.h5");
  if (run.session().is_first())
    fs::create_directories(run.checkpoints() / ".tmp-00test-0123456789abcdef/x");
  run.meet();
  const fs::path folder = run.save_step(2);
  verify(folder);
  EXPECT_EQ(names_in(run.checkpoints()), std::vector<std::string>{"checkpoint-2"});
  run.meet();
}

TEST(Save, StagesUnderANewNameEachTime) {
  const SharedRun run;
  const State state(2);
  std::vector<std::string> staged;
  for (const std::uint64_t step : {2, 3}) {
    SaveRequest request = run.request(step, state);
    for (Slice& slice : request.weights)
      slice.copy = [&, bytes = slice.bytes](std::uint64_t at, std::span<std::byte> piece) {
        const std::vector<std::string> names = names_in(run.checkpoints());
        staged.push_back(*std::ranges::find_if(
            names, [](const std::string& name) { return name.starts_with(".tmp-00test-"); }));
        std::ranges::copy(bytes.subspan(at, piece.size()), piece.begin());
      };
    save(run.session(), request);
    staged.erase(std::unique(staged.begin(), staged.end()), staged.end());
    ASSERT_EQ(staged.size(), step - 1);
    run.meet();
  }
  EXPECT_EQ(names_in(run.checkpoints()),
            (std::vector<std::string>{"checkpoint-2", "checkpoint-3"}));
  run.meet();
}

/// Each rank is a node with a folder of its own.
TEST(Save, OnEachNodeKeepsThePiecesApartAndReadsThemTogether) {
  const SharedRun run;
  const State state(4);
  const fs::path own = run.root() / ("node" + std::to_string(run.rank()));
  fs::create_directories(checkpoints_in(own));
  SaveRequest request = run.request(4, state);
  request.folder = checkpoints_in(own);
  request.each_node = true;
  request.node = own.filename().string();
  EXPECT_TRUE(leads_folder(run.session(), true, request.node));
  EXPECT_EQ(leads_folder(run.session(), true, "one"), run.session().is_first());
  const fs::path folder = save(run.session(), request);
  run.meet();

  verify(folder);
  std::vector<fs::path> pieces;
  for (std::uint64_t rank = 0; rank < run.ranks(); ++rank)
    pieces.push_back(checkpoints_in(run.root() / ("node" + std::to_string(rank))) / "checkpoint-4");
  Reader reader(pieces);
  expect_state(reader, state);
  if (run.ranks() > 1) {
    Reader alone(folder);
    std::vector<std::byte> bytes(state.weights[0].bytes.size());
    expect_error(ExitCode::cannot_load, "the pieces of the other nodes are needed too",
                 [&] { alone.read(TensorUse::weights, state.weights[0].info.name, bytes); });
  }
  const auto choice = choose(run.session(), own, {}, true, request.node);
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->step, 4u);
  run.meet();
  // A step that one node lacks does not count.
  request.step = 5;
  save(run.session(), request);
  if (run.rank() + 1 == run.ranks())
    fs::rename(request.folder / "checkpoint-5", request.folder / "lost");
  run.meet();
  EXPECT_EQ(choose(run.session(), own, {}, true, request.node)->step, 4u);
  run.meet();
}

}  // namespace
}  // namespace fg::checkpoint
