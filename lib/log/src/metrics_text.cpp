#include "metrics_text.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fg/base/json.hpp>
#include <fg/log/metrics.hpp>

namespace fg::log {
namespace {

constexpr std::array<const char*, 14> columns = {"step",
                                                 "epoch",
                                                 "loss",
                                                 "grad_norm",
                                                 "lr",
                                                 "tokens",
                                                 "trained_tokens",
                                                 "tokens_per_second",
                                                 "mfu",
                                                 "memory_gib",
                                                 "data_wait_s",
                                                 "eval_loss",
                                                 "eval_perplexity",
                                                 "eval_tokens"};

/// Builds a record; numbers that JSON cannot hold become null and are named at its end.
class Line {
public:
  void add(const char* key, double value) {
    if (std::isfinite(value)) {
      object_[key] = value;
    } else {
      object_[key] = nullptr;
      marks_[key] = name_of(value);
    }
  }
  void add(const char* key, std::int64_t value) { object_[key] = value; }
  void add(const char* key, const std::optional<double>& value) {
    if (value) add(key, *value);
  }
  void add(const char* key, const std::vector<double>& values) {
    Json list = Json::array();
    for (const double value : values) {
      list.push_back(std::isfinite(value) ? Json(value) : Json());
      if (!std::isfinite(value)) marks_[key] = name_of(value);
    }
    object_[key] = list;
  }
  std::string text() {
    if (!marks_.empty()) object_["not_finite"] = marks_;
    return object_.dump();
  }

private:
  static const char* name_of(double value) {
    if (std::isnan(value)) return "nan";
    return value > 0 ? "inf" : "-inf";
  }

  Json object_ = Json::object();
  Json marks_ = Json::object();
};

std::string largest(const Json& list) {
  double most = 0;
  for (const Json& value : list)
    if (value.is_number()) most = std::max(most, value.get<double>());
  return list.empty() ? std::string() : Json(most).dump();
}

std::string cell(const Json& object, const char* key) {
  const auto value = object.find(key);
  if (value == object.end()) return {};
  if (value->is_number()) return value->dump();
  if (value->is_array()) return largest(*value);
  const auto marks = object.find("not_finite");
  if (!value->is_null() || marks == object.end() || !marks->is_object()) return {};
  for (const char* name : {"nan", "inf", "-inf"})
    if (marks->value(key, Json()) == Json(name)) return name;
  return {};
}

}  // namespace

std::string json_line(const TrainRecord& record) {
  Line line;
  line.add("step", record.step);
  line.add("epoch", record.epoch);
  line.add("loss", record.loss);
  line.add("grad_norm", record.grad_norm);
  line.add("lr", record.lr);
  line.add("tokens", record.tokens);
  line.add("trained_tokens", record.trained_tokens);
  line.add("tokens_per_second", record.tokens_per_second);
  line.add("mfu", record.mfu);
  line.add("memory_gib", record.memory_gib);
  line.add("data_wait_s", record.data_wait_s);
  return line.text();
}

std::string json_line(const EvalRecord& record) {
  Line line;
  line.add("step", record.step);
  line.add("eval_loss", record.eval_loss);
  line.add("eval_perplexity", record.eval_perplexity);
  line.add("eval_tokens", record.eval_tokens);
  return line.text();
}

std::string csv_header() {
  std::string text;
  for (const char* column : columns) text += (text.empty() ? "" : ",") + std::string(column);
  return text + "\n";
}

std::optional<MetricsRow> read_metrics_line(std::string_view line) {
  try {
    const Json object = parse_json(line, "metrics.jsonl");
    if (!object.is_object()) return std::nullopt;
    const auto step = object.find("step");
    if (step == object.end() || !step->is_number_integer()) return std::nullopt;
    MetricsRow row{.step = step->get<std::int64_t>(), .csv = {}};
    for (const char* column : columns)
      row.csv += (column == columns.front() ? "" : ",") + cell(object, column);
    row.csv += "\n";
    return row;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace fg::log
