#include "report.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <vector>

#include <fg/base/error.hpp>
#include <fg/base/version.hpp>
#include <fg/device/device.hpp>
#include <fg/ops/libraries.hpp>

namespace fg::bench {
namespace {

double gib(std::uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 30);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Json versions() {
  Json all;
  all["fg"] = std::string(version()) + " (" + std::string(commit()) + ")";
  all["torch"] = ops::tensor_library();
  all["cuda"] = device::cuda_version();
  return all;
}

void add_speed(Json& json, const Options& options, const Row& row,
               const engine::BenchResult& result) {
  const auto steps = static_cast<double>(result.step_seconds.size());
  const double tokens = static_cast<double>(result.work.tokens) / steps;
  const double seconds = median(result.step_seconds);
  const auto [least, most] =
      std::minmax_element(result.step_seconds.begin(), result.step_seconds.end());
  json["tokens_per_second"] = tokens / seconds;
  json["spread"] = {tokens / *most, tokens / *least};
  json["mfu"] = nullptr;
  if (options.peak_flops)
    json["mfu"] = engine::training_flops(row.task.config, result.work) / steps / seconds /
                  *options.peak_flops;
}

void add_memory(Json& json, const engine::BenchResult& result) {
  json["peak_allocated_gib"] = gib(result.peak_allocated);
  json["peak_driver_gib"] = gib(result.peak_driver);
  json["forecast_gib"] = gib(static_cast<std::uint64_t>(result.forecast.total()));
  Json parts = Json::object();
  for (const auto& [name, bytes] : result.forecast.parts())
    parts[name] = gib(static_cast<std::uint64_t>(bytes));
  json["forecast_parts_gib"] = parts;
}

void add_light(Json& json, const Row& row, const Outcome& outcome) {
  json["light"] = nullptr;
  if (!outcome.light) return;
  const double tokens = static_cast<double>(row.task.rows * row.task.length);
  const double speed = tokens / median(outcome.light->step_seconds);
  json["light"] = {{"tokens_per_second", speed},
                   {"percent", 100 * json["tokens_per_second"].get<double>() / speed},
                   {"attention", outcome.light->attention},
                   {"step_seconds", outcome.light->step_seconds}};
}

std::string format(const char* pattern, auto... values) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

}  // namespace

Json as_json(const Options& options, const Row& row, const Outcome& outcome) {
  Json json;
  json["row"] = row.name;
  json["peer"] = "fg";
  json["shape"] = row.shape;
  json["rows"] = row.task.rows;
  json["length"] = row.task.length;
  json["documents"] = row.task.documents;
  json["policy"] = row.policy;
  json["vocab"] = row.vocabulary;
  json["vocab_size"] = row.task.config.vocab_size;
  json["optimizer"] = std::get<std::string>(row.task.optimizer.front().value);
  json["dtype"] = row.task.type == at::kBFloat16 ? "bfloat16" : "float32";
  json["device"] = options.device;
  json["versions"] = versions();
  if (!outcome.result) {
    json["error"] = outcome.error;
    return json;
  }
  const engine::BenchResult& result = *outcome.result;
  add_speed(json, options, row, result);
  add_memory(json, result);
  json["step_seconds"] = result.step_seconds;
  add_light(json, row, outcome);
  json["phases"] = Json::object();
  for (const auto& [name, seconds] : result.phases) json["phases"][name] = seconds;
  json["kept_layers"] = result.kept_layers;
  json["loss"] = result.loss;
  json["host_waits"] = result.host_waits;
  json["driver_calls"] = result.driver_calls;
  return json;
}

std::string table_head() {
  return format("%-28s %10s %19s %6s %7s %9s %9s %9s %6s\n", "row", "tok/s", "spread", "MFU",
                "light", "allocated", "driver", "forecast", "waits");
}

std::string table_line(const Json& row) {
  const auto name = row["row"].get<std::string>();
  if (row.contains("error")) return name + ": " + row["error"].get<std::string>() + "\n";
  const auto number = [&](const char* key) { return row[key].get<double>(); };
  const std::string spread =
      format("%.0f to %.0f", row["spread"][0].get<double>(), row["spread"][1].get<double>());
  const std::string mfu = row["mfu"].is_null() ? "-" : format("%.1f%%", 100 * number("mfu"));
  const std::string light =
      row["light"].is_null() ? "-" : format("%.1f%%", row["light"]["percent"].get<double>());
  return format("%-28s %10.0f %19s %6s %7s %5.2f GiB %5.2f GiB %5.2f GiB %6lld\n", name.c_str(),
                number("tokens_per_second"), spread.c_str(), mfu.c_str(), light.c_str(),
                number("peak_allocated_gib"), number("peak_driver_gib"), number("forecast_gib"),
                row["host_waits"].get<long long>());
}

std::string phases_line(const Json& row) {
  if (!row.contains("phases") || row["phases"].empty()) return "";
  std::string line = "   ";
  for (const auto& [name, seconds] : row["phases"].items())
    line += format(" %s %.1f ms", name.c_str(), 1e3 * seconds.get<double>());
  return line + "\n";
}

void write_json(const std::filesystem::path& file, const Json& rows) {
  std::FILE* const stream = std::fopen(file.c_str(), "we");
  if (stream == nullptr)
    fail(ExitCode::cannot_save, file.string() + ": cannot be written: " + errno_text(errno));
  const std::string text = rows.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  const bool is_written = std::fwrite(text.data(), 1, text.size(), stream) == text.size();
  const int error = errno;
  if (std::fclose(stream) != 0 || !is_written)
    fail(ExitCode::cannot_save, file.string() + ": cannot be written: " + errno_text(error));
}

}  // namespace fg::bench
