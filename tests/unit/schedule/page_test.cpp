#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <fg/schedule/check.hpp>
#include <fg/schedule/csv.hpp>
#include <fg/schedule/simulate.hpp>
#include <fg/schedule/table.hpp>
#include <fg/schedule/wire.hpp>

#include "plans.hpp"

// What people and other builds read: golden plans, and the drawings and tables of
// docs/schedules.md and docs/multinode.md. FG_UPDATE_GOLDEN=1 writes them anew.
namespace {

using namespace fg::schedule;
using fg::test::all_kinds;
using fg::test::compute_plan;
using fg::test::full_plan;

bool updating() {
  return std::getenv("FG_UPDATE_GOLDEN") != nullptr;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

void expect_golden(const std::string& name, const Plan& plan) {
  const std::filesystem::path path = std::filesystem::path(FG_GOLDEN_FOLDER) / (name + ".csv");
  if (updating()) write(path, to_csv(plan));
  EXPECT_EQ(to_csv(plan), read(path)) << name;
  EXPECT_EQ(from_csv(read(path), name), plan);
}

TEST(GoldenPlans, AreBuiltAgain) {
  expect_golden("gpipe_2x3", full_plan(Kind::gpipe, 2, 3));
  expect_golden("1f1b_2x4",
                with_updates(with_transfers(compute_plan(Kind::one_forward_one_backward, 2, 4))));
  expect_golden("1f1b_4x8", compute_plan(Kind::one_forward_one_backward, 4, 8));
  expect_golden("interleaved_1f1b_2x3", full_plan(Kind::interleaved, 2, 3));
  expect_golden("zb_h1_3x4", full_plan(Kind::zero_bubble_h1, 3, 4));
  expect_golden("zbv_2x4", full_plan(Kind::zero_bubble_v, 2, 4));
}

TEST(GoldenPlans, KeepTheirFingerprints) {
  EXPECT_EQ(fingerprint(compute_plan(Kind::one_forward_one_backward, 4, 8)), "b4fb5627ddae8931");
}

TEST(PlanTable, ShowsARowARank) {
  EXPECT_EQ(table(with_transfers(compute_plan(Kind::one_forward_one_backward, 2, 2))),
            "  slot   0   1   2   3   4   5   6   7\n"
            "rank 0 0F0 0F1   . 0B0 0W0   . 0B1 0W1\n"
            "rank 1   . 1F0 1B0 1W0 1F1 1B1 1W1   .\n");
}

TEST(PlanTable, IsCutToTheTerminal) {
  EXPECT_EQ(table(compute_plan(Kind::gpipe, 2, 1), 16),
            "  slot   0   1\n"
            "rank 0 0F0   .\n"
            "rank 1   . 1F0\n"
            "\n"
            "  slot   2   3\n"
            "rank 0   . 0B0\n"
            "rank 1 1B0 1W0\n"
            "\n"
            "  slot   4\n"
            "rank 0 0W0\n"
            "rank 1   .\n");
  EXPECT_FALSE(table(compute_plan(Kind::gpipe, 2, 1), 1).empty());
}

TEST(PlanTable, ShowsWhereAPlanLocksUp) {
  Plan plan = compute_plan(Kind::gpipe, 2, 1);
  std::swap(plan.programs[1][0], plan.programs[1][1]);
  EXPECT_EQ(table(plan),
            "  slot   0   1   2   3   4\n"
            "rank 0 0F0   ! 0B0 0W0   .\n"
            "rank 1   .   ! 1B0 1F0 1W0\n");
}

std::string fixed(double value, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

double work_share(const Plan& plan, const StageCost& cost) {
  return simulate(plan, even_costs(plan.shape, cost)).efficiency;
}

/// Of Llama-2-7B: bytes and operations of a row of 2048 tokens.
constexpr std::uint64_t row_bytes = 2048 * 4096 * 2;
constexpr double row_operations = 2048 * 41.25e9;

std::string drawing(Kind kind) {
  return "```text\n" + table(compute_plan(kind, 4, 8), 124) + "```\n";
}

std::string summary() {
  std::string text =
      "| schedule | busy, 2 ranks x 16 | 4 x 8 | 4 x 32 | 8 x 32 | activations a rank, 4 x 8, in "
      "stages of 1F1B | messages a microbatch, 4 ranks |\n|---|---|---|---|---|---|---|\n";
  for (const Kind kind : all_kinds()) {
    text += "| `" + std::string(to_string(kind)) + "` |";
    for (const auto& [ranks, microbatches] : {std::pair{2, 16}, {4, 8}, {4, 32}, {8, 32}})
      text += " " + fixed(work_share(compute_plan(kind, ranks, microbatches), {1, 1, 1}), 3) + " |";
    const Plan plan = with_transfers(compute_plan(kind, 4, 8));
    const Forecast forecast = simulate(plan, even_costs(plan.shape, {1, 1, 1}));
    const double part = 4.0 / plan.shape.stages;
    std::string peaks;
    for (const int live : forecast.peak_live)
      peaks += (peaks.empty() ? "" : ", ") + fixed(live * part, kind == Kind::interleaved ? 1 : 0);
    std::uint64_t messages = 0;
    for (const Traffic& pair : forecast.traffic) messages += pair.messages;
    text += " " + peaks + " | " + std::to_string(messages / 8) + " |\n";
  }
  return text;
}

struct Setting {
  const char* name;
  double operations_per_second;  // of one GPU, as measured or expected of training
  std::vector<int> nodes;
  bool has_24_gb = false;
};

/// What fg-train --plan says of the rank that needs most, with bfloat16 gradients and a GiB for the
/// driver, against a card of 24 GB.
const char* memory_mark(Kind kind, int extra, const Setting& setting) {
  if (!setting.has_24_gb) return "";
  const bool is_over = kind == Kind::gpipe ||
                       (setting.nodes.size() == 2 &&
                        (extra > 0 || kind == Kind::zero_bubble_h1 || kind == Kind::zero_bubble_v));
  return is_over ? " (over 24 GB)" : "";
}

Forecast on_network(Kind kind, int extra, const Setting& setting, double bits_per_second) {
  const int ranks = static_cast<int>(setting.nodes.size());
  Request request{kind, ranks, 8 * ranks, 0, {}};
  if (extra > 0) request.extra_warmup = extra_on_wires(setting.nodes, extra);
  const Plan plan = with_transfers(build(request));
  const double third = row_operations / 3 / plan.shape.stages / setting.operations_per_second;
  Costs costs = even_costs(plan.shape, {third, third, third});
  costs.boundary_bytes = row_bytes;
  Network network{setting.nodes, {300e9, 5e-6}, {payload_rate(bits_per_second), 2e-4}};
  if (bits_per_second == 0) network.node_of_rank.assign(setting.nodes.size(), 0);
  return simulate(plan, costs, network);
}

std::string networks() {
  const std::vector<Setting> settings = {{"3090, 2 nodes x 1", 0.65 * 71e12, {0, 1}, true},
                                         {"4090, 2 nodes x 1", 0.65 * 165e12, {0, 1}, true},
                                         {"4090, 2 nodes x 2", 0.65 * 165e12, {0, 0, 1, 1}, true},
                                         {"4090, 4 nodes x 1", 0.65 * 165e12, {0, 1, 2, 3}, true},
                                         {"H200, 2 nodes x 1", 0.55 * 989e12, {0, 1}}};
  const std::vector<std::pair<Kind, int>> rows = {
      {Kind::gpipe, 0},          {Kind::one_forward_one_backward, 0},
      {Kind::interleaved, 0},    {Kind::one_forward_one_backward, 2},
      {Kind::zero_bubble_h1, 0}, {Kind::zero_bubble_h1, 2},
      {Kind::zero_bubble_v, 0}};
  std::string text =
      "| GPUs | schedule | NVLink | 10 GbE | 2.5 GbE | 1 GbE | tok/s at 1 GbE |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const Setting& setting : settings)
    for (const auto& [kind, extra] : rows) {
      text += "| " + std::string(setting.name) + " | `" + std::string(to_string(kind)) + "`" +
              (extra == 0 ? "" : ", warm-up + " + std::to_string(extra)) +
              memory_mark(kind, extra, setting) + " |";
      for (const double rate : {0.0, 10e9, 2.5e9, 1e9})
        text += " " + fixed(on_network(kind, extra, setting, rate).efficiency, 2) + " |";
      const double tokens = 8.0 * static_cast<double>(setting.nodes.size()) * 2048;
      text += " " + fixed(tokens / on_network(kind, extra, setting, 1e9).makespan, 0) + " |\n";
    }
  return text;
}

constexpr double wires[] = {1e9, 2.5e9, 10e9};

/// One GPU with all of Llama-2-7B: what the others of its kind gain.
std::string alone(const Setting& setting) {
  const std::string speed = fixed(2048 * setting.operations_per_second / row_operations, 0);
  return "| " + std::string(setting.name).replace(0, 1, "1") + " | – | " + speed + " | " + speed +
         " | " + speed + " |\n";
}

/// Pipelines of one GPU a machine, without and with more microbatches in flight.
std::string pipelines() {
  const std::vector<Setting> settings = {{"2 x 3090", 0.65 * 71e12, {0, 1}, true},
                                         {"4 x 3090", 0.65 * 71e12, {0, 1, 2, 3}, true},
                                         {"2 x 4090", 0.65 * 165e12, {0, 1}, true},
                                         {"4 x 4090", 0.65 * 165e12, {0, 1, 2, 3}, true},
                                         {"2 x H200", 0.55 * 989e12, {0, 1}}};
  std::string text =
      "| machines | `extra_warmup` | 1 GbE | 2.5 GbE | 10 GbE |\n|---|---|---|---|---|\n";
  for (const Setting& setting : settings) {
    if (setting.nodes.size() == 2) text += alone(setting);
    for (const int extra : {0, 2}) {
      text += "| " + std::string(setting.name) + " | " + std::to_string(extra) +
              memory_mark(Kind::one_forward_one_backward, extra, setting) + " |";
      const double tokens = 8.0 * static_cast<double>(setting.nodes.size()) * 2048;
      for (const double wire : wires) {
        const Forecast step = on_network(Kind::one_forward_one_backward, extra, setting, wire);
        text += " " + fixed(tokens / step.makespan, 0) + " (" + fixed(step.efficiency, 2) + ") |";
      }
      text += "\n";
    }
  }
  return text;
}

/// Seconds that the gradients of a step are on each machine's wire, two bytes a parameter
/// (bfloat16).
std::string copies() {
  std::string text = "| model | machines | 1 GbE | 2.5 GbE | 10 GbE |\n|---|---|---|---|---|\n";
  for (const auto& [name, parameters] :
       {std::pair{"Llama-3.2-1B", 1.2358e9}, {"Llama-2-7B", 6.7384e9}})
    for (const double machines : {2.0, 4.0, 8.0}) {
      text += "| " + std::string(name) + " | " + fixed(machines, 0) + " |";
      const double bytes = 2 * parameters * 2 * (machines - 1) / machines;
      for (const double wire : wires) text += " " + fixed(bytes / payload_rate(wire), 1) + " s |";
      text += "\n";
    }
  return text;
}

/// The page has this text between its two marks.
void expect_block(const std::string& name, const std::string& text,
                  const char* file = FG_SCHEDULES_PAGE) {
  const std::string begin = "<!-- begin " + name + " -->\n";
  const std::string end = "<!-- end " + name + " -->\n";
  std::string page = read(file);
  const std::size_t from = page.find(begin);
  const std::size_t to = page.find(end);
  ASSERT_NE(from, std::string::npos) << name;
  ASSERT_NE(to, std::string::npos) << name;
  const std::size_t first = from + begin.size();
  if (updating()) write(file, page.replace(first, to - first, text));
  EXPECT_EQ(read(file).substr(first, text.size()), text) << name;
}

TEST(SchedulesPage, ShowsWhatThePrinterPrints) {
  for (const Kind kind : all_kinds()) expect_block(std::string(to_string(kind)), drawing(kind));
  const Plan plan = compute_plan(Kind::one_forward_one_backward, 2, 2);
  expect_block("csv", "```text\n" + to_csv(with_updates(with_transfers(plan))) + "```\n");
}

TEST(SchedulesPage, ShowsWhatTheSimulatorSays) {
  expect_block("summary", summary());
  expect_block("networks", networks());
}

TEST(MultinodePage, ShowsWhatANetworkCarries) {
  expect_block("pipelines", pipelines(), FG_MULTINODE_PAGE);
  expect_block("copies", copies(), FG_MULTINODE_PAGE);
}

// One Gigabit wire carries 14,355 tokens a second of Llama-2-7B one way.
TEST(SchedulesPage, StaysBelowTheWiresBound) {
  const Setting setting{"", 1e15, {0, 1}};
  const double tokens = 16 * 2048;
  for (const Kind kind : {Kind::one_forward_one_backward, Kind::zero_bubble_h1}) {
    const double rate = tokens / on_network(kind, 0, setting, 1e9).makespan;
    EXPECT_LT(rate, payload_rate(1e9) / 8192);
    EXPECT_NEAR(payload_rate(1e9) / 8192, 14355, 30);
  }
}

}  // namespace
