#include <algorithm>
#include <array>
#include <cstdio>

#include <fg/base/units.hpp>
#include <fg/optim/groups.hpp>
#include <fg/optim/optimizer.hpp>

namespace fg::optim {
namespace {

using Row = std::array<std::string, 8>;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "1" : text;
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

Row row_of(const Assignment& assignment) {
  const auto optimizer = make_optimizer(assignment.options);
  return {assignment.parameter.name,
          shape_text(assignment.parameter.shape),
          assignment.group,
          std::string(to_string(assignment.options.type)),
          short_number(assignment.options.lr),
          short_number(assignment.options.weight_decay),
          optimizer->state_format(assignment.parameter),
          with_thousands(state_bytes(assignment))};
}

std::string aligned(const std::vector<Row>& rows) {
  std::array<std::size_t, 8> widths{};
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string blank(widths[i] - row[i].size(), ' ');
      const bool is_last = i + 1 == row.size();
      line += is_last ? blank + row[i] : row[i] + blank + "  ";
    }
    text += line + "\n";
  }
  return text;
}

struct Sum {
  std::string group;
  std::uint64_t tensors = 0;
  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;
};

std::string sum_line(const Sum& sum) {
  return sum.group + ": " + with_thousands(sum.tensors) + " tensors, " +
         with_thousands(sum.elements) + " parameters, " + format_bytes(sum.bytes) + " of state\n";
}

std::string sums_of(const std::vector<Assignment>& assignments) {
  std::vector<Sum> sums;
  Sum all{"all"};
  for (const Assignment& assignment : assignments) {
    auto sum = std::find_if(sums.begin(), sums.end(),
                            [&](const Sum& s) { return s.group == assignment.group; });
    if (sum == sums.end()) sum = sums.insert(sum, Sum{assignment.group});
    const auto elements = static_cast<std::uint64_t>(extent_of(assignment.parameter).elements());
    for (Sum* each : {&*sum, &all}) {
      each->tensors += 1;
      each->elements += elements;
      each->bytes += state_bytes(assignment);
    }
  }
  std::string text;
  for (const Sum& sum : sums) text += sum_line(sum);
  return text + sum_line(all);
}

}  // namespace

std::uint64_t state_bytes(const Assignment& assignment) {
  std::uint64_t bytes = 0;
  for (const StateSpec& spec :
       make_optimizer(assignment.options)->state_specs(assignment.parameter))
    bytes += spec.bytes();
  return bytes;
}

std::string groups_table(const Assignments& assignments) {
  std::vector<Row> rows{
      {"parameter", "shape", "group", "optimizer", "lr", "decay", "state", "bytes"}};
  for (const Assignment& assignment : assignments.of_parameters) rows.push_back(row_of(assignment));
  std::string text = aligned(rows) + "\n" + sums_of(assignments.of_parameters);
  for (const std::string& group : assignments.shadowed)
    text += group + ": empty, earlier groups take every parameter its regex is found in\n";
  return text;
}

}  // namespace fg::optim
