#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/text.hpp"

namespace pca::test {

// What the runner reads from GITHUB_OUTPUT: "name=value" lines and "name<<DELIMITER" blocks. Throws
// where the runner would fail the step.
inline std::map<std::string, std::string> parse_output_file(const std::string& text) {
  std::map<std::string, std::string> outputs;
  const std::vector<std::string> lines = split(text, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.empty()) continue;
    const std::size_t equals = line.find('=');
    const std::size_t heredoc = line.find("<<");
    if (equals < heredoc) {
      outputs[line.substr(0, equals)] = line.substr(equals + 1);
      continue;
    }
    if (heredoc == std::string::npos || heredoc == 0) {
      throw std::runtime_error("invalid format: " + line);
    }
    const std::string delimiter = line.substr(heredoc + 2);
    std::string& value = outputs[line.substr(0, heredoc)];
    value.clear();
    const std::size_t start = ++i;
    while (i < lines.size() && lines[i] != delimiter) ++i;
    if (i == lines.size()) throw std::runtime_error("delimiter not found: " + delimiter);
    for (std::size_t at = start; at < i; ++at) value += (at == start ? "" : "\n") + lines[at];
  }
  return outputs;
}

}  // namespace pca::test
