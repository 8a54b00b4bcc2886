// data_driver < JSON: prepares a data set and prints what it became, as one JSON object.
//
// In: {"model", "template", "paths": […], "format", "split", "train_on", "too_long", "seq_len",
// "cache", "threads", "seed", "epoch", "pack"}. Out: {"documents": [[ids, trained]], "counts",
// "rows": [[document]], "targets": [[id or -1]], "hash"}.

#include <iostream>
#include <iterator>
#include <string>

#include <fg/base/error.hpp>
#include <fg/base/json.hpp>
#include <fg/data/epoch_plan.hpp>
#include <fg/data/prepare.hpp>
#include <fg/data/row.hpp>

namespace {

using fg::Json;

fg::data::Options options_of(const Json& request) {
  fg::data::Options options;
  for (const Json& path : request["paths"])
    options.sources.push_back(
        {.path = path.get<std::string>(), .weight = 1.0, .format = {}, .split = {}});
  options.format = fg::data::parse_format(request.value("format", "auto"), "format");
  options.split = request.value("split", "");
  options.train_on = fg::data::parse_train_on(request.value("train_on", "all"), "train_on");
  options.too_long = fg::data::parse_too_long(request.value("too_long", "cut"), "too_long");
  options.seq_len = request.value("seq_len", std::size_t{4096});
  options.threads = request.value("threads", 1U);
  options.cache_folder = request["cache"].get<std::string>();
  options.show_progress = false;
  return options;
}

Json run(const Json& request) {
  const auto encoder = fg::data::ChatEncoder::load(request["model"].get<std::string>(),
                                                   request.value("template", ""));
  const fg::data::Options options = options_of(request);
  const auto set = fg::data::prepare(options, encoder);
  Json answer = {{"documents", Json::array()}, {"rows", Json::array()}, {"targets", Json::array()}};
  for (std::size_t index = 0; index < set.size(); ++index) {
    const auto document = set.document(index);
    answer["documents"].push_back(
        Json::array({Json(std::vector<std::uint32_t>(document.ids.begin(), document.ids.end())),
                     Json(std::vector<int>(document.trained.begin(), document.trained.end()))}));
  }
  const fg::data::EpochPlan plan(
      set, {.seq_len = options.seq_len, .pack = request.value("pack", true)},
      request.value("seed", std::uint64_t{0}), request.value("epoch", std::uint64_t{0}), true);
  for (std::size_t row = 0; row < plan.rows(); ++row) {
    const auto documents = plan.documents(row);
    answer["rows"].push_back(std::vector<std::uint32_t>(documents.begin(), documents.end()));
    answer["targets"].push_back(make_row(set, plan, row).targets);
  }
  answer["counts"] = {{"records", set.counts().records},
                      {"documents", set.counts().documents},
                      {"tokens", set.counts().tokens},
                      {"trained_tokens", set.counts().trained_tokens},
                      {"cut_tokens", set.counts().cut_tokens},
                      {"cut_trained_tokens", set.counts().cut_trained_tokens},
                      {"dropped_records", set.counts().dropped_records}};
  answer["hash"] = set.content_hash();
  return answer;
}

}  // namespace

int main() {
  try {
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    std::cout << run(fg::parse_json(text, "request")).dump() << '\n';
    return 0;
  } catch (const fg::Error& error) {
    std::cerr << error.what() << '\n';
    return static_cast<int>(error.code());
  }
}
