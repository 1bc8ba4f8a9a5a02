#include "swarm-deploy/env_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::swarm_deploy {

Result<std::vector<std::pair<std::string, std::string>>> parse_env_file(
    std::string_view text, const Variables& variables) {
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  std::vector<std::pair<std::string, std::string>> pairs;
  const std::vector<std::string> lines = split_lines(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string_view line = lines[i];
    line.remove_prefix(std::min(line.find_first_not_of(" \t\v\f\r"), line.size()));
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t equals = std::min(line.find('='), line.size());
    const std::string_view name = line.substr(0, equals);
    const auto problem = [&](std::string_view what) {
      return bad_input(fmt::format("line {}: {}", i + 1, what), "Write NAME=value.");
    };
    if (name.empty()) return problem("no name stands before the =");
    if (name.find_first_of(" \t") != std::string_view::npos) {
      return problem(fmt::format("the name {} holds a blank", shown(name)));
    }
    if (next_code_point(line).valid && to_valid_utf8(line) != line) {
      return problem("the text is no UTF-8");
    }
    if (equals < line.size()) {
      pairs.emplace_back(name, line.substr(equals + 1));
    } else if (const auto known = variables.find(name); known != variables.end()) {
      pairs.emplace_back(name, known->second);
    }
  }
  return pairs;
}

}  // namespace pca::swarm_deploy
