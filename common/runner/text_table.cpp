#include "runner/text_table.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "runner/markdown.hpp"

namespace pca {

namespace {

// How wide text is that is visible(): code points, which is not far off.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string markdown_row(const std::vector<std::string>& cells, const Redactor& redactor) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + markdown_cell(redactor.redact(cell)) + " |";
  return line + "\n";
}

}  // namespace

std::string aligned_table(const TextTable& table) {
  if (table.rows.empty()) return {};
  std::vector<std::vector<std::string>> rows{table.headings};
  std::vector<std::size_t> widths(table.headings.size());
  for (const auto& row : table.rows) {
    std::vector<std::string>& shown_row = rows.emplace_back();
    for (const std::string& cell : row) shown_row.push_back(visible(cell));
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - width_of(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  text.pop_back();
  return text;
}

std::string markdown_table(const TextTable& table, const Redactor& redactor) {
  if (table.rows.empty()) return {};
  std::string text = markdown_row(table.headings, redactor) + "|";
  for (std::size_t i = 0; i < table.headings.size(); ++i) text += "---|";
  text += "\n";
  for (const auto& row : table.rows) text += markdown_row(row, redactor);
  return text;
}

}  // namespace pca
