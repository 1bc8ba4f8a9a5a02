#include "swarm-deploy/compose_problems.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>

#include "base/text.hpp"

namespace pca::swarm_deploy {

namespace {

void move_behind(std::vector<Problem>& to, std::vector<Problem> from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

// Files stay in the order in which they were read.
void sort_within_files(std::vector<Problem>& problems) {
  for (auto from = problems.begin(); from != problems.end();) {
    const auto to = std::find_if(from, problems.end(), [&](const Problem& problem) {
      return problem.place.file != from->place.file;
    });
    std::stable_sort(from, to, [](const Problem& a, const Problem& b) {
      return std::tie(a.place.line, a.place.column) < std::tie(b.place.line, b.place.column);
    });
    from = to;
  }
}

}  // namespace

Place place_of(const std::string& file, const ConfigValue& value) {
  return {file, value.line, value.column};
}

Place place_of(const std::string& file, const ConfigValue::Member& key) {
  return {file, key.line, key.column};
}

std::string Problem::message() const {
  std::string where = visible(place.file);
  if (place.line > 0) where += fmt::format(":{}", place.line);
  if (place.column > 0) where += fmt::format(":{}", place.column);
  return where + ": " + text;
}

void Problems::mistake(Place place, std::string text, std::string cure) {
  mistakes.push_back({std::move(place), std::move(text), std::move(cure)});
}

void Problems::warning(Place place, std::string text, std::string cure) {
  warnings.push_back({std::move(place), std::move(text), std::move(cure)});
}

void Problems::difference(Place place, std::string text, std::string cure) {
  differences.push_back({std::move(place), std::move(text), std::move(cure)});
}

void Problems::add(Problems others) {
  move_behind(mistakes, std::move(others.mistakes));
  move_behind(warnings, std::move(others.warnings));
  move_behind(differences, std::move(others.differences));
}

void Problems::sort() {
  sort_within_files(mistakes);
  sort_within_files(warnings);
  sort_within_files(differences);
}

}  // namespace pca::swarm_deploy
