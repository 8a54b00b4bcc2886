#include "chain.hpp"

#include <algorithm>
#include <vector>

namespace fg::config_app {
namespace {

using config::ChainFile;

/// A file that is met again is named, and what it extends is not told twice.
void add_branch(std::span<const ChainFile> files, std::size_t file, std::size_t depth,
                std::vector<bool>& told, std::string& text) {
  const bool again = told[file] && !files[file].extends.empty();
  text +=
      std::string(2 * depth, ' ') + files[file].path.string() + (again ? " (above)" : "") + "\n";
  if (again) return;
  told[file] = true;
  for (const std::size_t extended : files[file].extends)
    add_branch(files, extended, depth + 1, told, text);
}

std::string dot_text(const std::string& text) {
  std::string result = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') result += '\\';
    result += letter;
  }
  return result + "\"";
}

std::string xml_text(const std::string& text) {
  std::string result;
  for (const char letter : text) {
    if (letter == '&')
      result += "&amp;";
    else if (letter == '<')
      result += "&lt;";
    else if (letter == '>')
      result += "&gt;";
    else
      result += letter;
  }
  return result;
}

/// The row of each file: one below all that it extends.
std::vector<int> rows_of(std::span<const ChainFile> files) {
  std::vector<int> rows(files.size(), 0);
  for (std::size_t i = 0; i < files.size(); ++i)
    for (const std::size_t extended : files[i].extends)
      rows[i] = std::max(rows[i], rows[extended] + 1);
  return rows;
}

struct Box {
  int x = 0;
  int y = 0;
  int width = 0;
};

constexpr int box_height = 28;
constexpr int row_height = 68;
constexpr int margin = 12;

std::vector<Box> boxes_of(std::span<const ChainFile> files) {
  const std::vector<int> rows = rows_of(files);
  std::vector<int> filled(files.size() + 1, margin);  // how far each row is used
  std::vector<Box> boxes;
  for (std::size_t i = 0; i < files.size(); ++i) {
    int& used = filled[static_cast<std::size_t>(rows[i])];
    const int width = 24 + 8 * static_cast<int>(files[i].path.string().size());
    boxes.push_back({.x = used, .y = margin + row_height * rows[i], .width = width});
    used += width + margin;
  }
  return boxes;
}

std::string number(int value) {
  return "\"" + std::to_string(value) + "\"";
}

std::string box_svg(const Box& box, const std::string& name) {
  return "<rect x=" + number(box.x) + " y=" + number(box.y) + " width=" + number(box.width) +
         " height=" + number(box_height) +
         " rx=\"4\" fill=\"#eef2f8\" stroke=\"#56657a\"/>\n<text x=" +
         number(box.x + box.width / 2) + " y=" + number(box.y + 19) + " text-anchor=\"middle\">" +
         xml_text(name) + "</text>\n";
}

std::string line_svg(const Box& below, const Box& above) {
  return "<line x1=" + number(below.x + below.width / 2) + " y1=" + number(below.y) +
         " x2=" + number(above.x + above.width / 2) + " y2=" + number(above.y + box_height) +
         " stroke=\"#56657a\"/>\n";
}

}  // namespace

std::string chain_tree(std::span<const ChainFile> files) {
  std::string text;
  std::vector<bool> told(files.size(), false);
  if (!files.empty()) add_branch(files, files.size() - 1, 0, told, text);
  return text;
}

std::string chain_dot(std::span<const ChainFile> files) {
  std::string text = "digraph configuration {\n  rankdir=BT;\n  node [shape=box];\n";
  for (const ChainFile& file : files) text += "  " + dot_text(file.path.string()) + ";\n";
  for (const ChainFile& file : files)
    for (const std::size_t extended : file.extends)
      text += "  " + dot_text(file.path.string()) + " -> " +
              dot_text(files[extended].path.string()) + ";\n";
  return text + "}\n";
}

std::string chain_svg(std::span<const ChainFile> files) {
  const std::vector<Box> boxes = boxes_of(files);
  Box end;
  for (const Box& box : boxes) {
    end.width = std::max(end.width, box.x + box.width + margin);
    end.y = std::max(end.y, box.y + box_height + margin);
  }
  std::string text = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=" + number(end.width) +
                     " height=" + number(end.y) + " font-family=\"monospace\" font-size=\"13\">\n";
  for (std::size_t i = 0; i < files.size(); ++i)
    for (const std::size_t extended : files[i].extends) text += line_svg(boxes[i], boxes[extended]);
  for (std::size_t i = 0; i < files.size(); ++i) text += box_svg(boxes[i], files[i].path.string());
  return text + "</svg>\n";
}

}  // namespace fg::config_app
