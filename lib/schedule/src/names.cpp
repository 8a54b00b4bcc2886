#include <array>
#include <utility>

#include <fg/base/error.hpp>
#include <fg/base/nearest.hpp>
#include <fg/schedule/build.hpp>

namespace fg::schedule {
namespace {

using Name = std::pair<std::string_view, Kind>;

constexpr std::array<Name, 5> names = {{{"gpipe", Kind::gpipe},
                                        {"1f1b", Kind::one_forward_one_backward},
                                        {"interleaved_1f1b", Kind::interleaved},
                                        {"zb_h1", Kind::zero_bubble_h1},
                                        {"zbv", Kind::zero_bubble_v}}};

// Further spellings, in lower case with "_" for "-"; the classes are those of
// torch.distributed.pipelining.
constexpr std::array<Name, 8> aliases = {{{"schedulegpipe", Kind::gpipe},
                                          {"schedule1f1b", Kind::one_forward_one_backward},
                                          {"scheduleinterleaved1f1b", Kind::interleaved},
                                          {"schedulezbvzerobubble", Kind::zero_bubble_v},
                                          {"interleaved1f1b", Kind::interleaved},
                                          {"interleaved", Kind::interleaved},
                                          {"zbh1", Kind::zero_bubble_h1},
                                          {"zb_v", Kind::zero_bubble_v}}};

// PyTorch's that fg does not build, and what to take in their place.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> absent = {
    {{"scheduleinterleavedzerobubble", "'zb_h1', or 'zbv' inside one machine"},
     {"scheduleloopedbfs", "'interleaved_1f1b'"},
     {"scheduledualpipev", "'zbv'"}}};

std::string simplified(std::string_view name) {
  std::string text;
  for (const char c : name)
    text += c == '-' ? '_' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

std::string listed() {
  std::string text;
  for (const auto& [name, kind] : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

}  // namespace

std::string_view to_string(Kind kind) {
  for (const auto& [name, named] : names)
    if (named == kind) return name;
  return "?";
}

std::vector<std::string> kind_names() {
  std::vector<std::string> all;
  for (const auto& [name, kind] : names) all.emplace_back(name);
  return all;
}

Kind parse_kind(std::string_view name) {
  const std::string plain = simplified(name);
  std::vector<std::string> known = kind_names();
  for (const auto& [spelling, kind] : names)
    if (spelling == plain) return kind;
  for (const auto& [spelling, kind] : aliases) {
    if (spelling == plain) return kind;
    known.emplace_back(spelling);
  }
  const std::string quoted = "schedule '" + std::string(name.substr(0, 100)) + "'";
  for (const auto& [spelling, instead] : absent)
    if (spelling == plain)
      fail(ExitCode::usage, quoted + ": fg does not have it; take " + std::string(instead));
  std::string near;
  if (const auto close = nearest(plain.substr(0, 100), known))
    near = "; did you mean '" + std::string(to_string(parse_kind(*close))) + "'?";
  fail(ExitCode::usage, quoted + " is not known; there are " + listed() + near);
}

}  // namespace fg::schedule
