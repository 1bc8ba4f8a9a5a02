// A policy file is a stranger's YAML on a pull request: any text is a policy, or mistakes that each
// name a line of it and are safe to print.

#include <algorithm>

#include "base/text.hpp"
#include "deploy-policy/classify.hpp"
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::deploy_policy;
  using namespace pca::fuzz;
  const std::string_view text = text_of(data, size);
  const ReadPolicy read = parse_policy(text);
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  for (const PolicyMistake& mistake : read.mistakes) {
    require(mistake.line >= 1 && mistake.line <= lines, "a mistake has a line of the file");
    require(!mistake.problem.empty() && !mistake.cure.empty(), "it says what and what to do");
    require(visible(mistake.problem) == mistake.problem, "it is safe to print");
  }
  if (!read.mistakes.empty()) return 0;
  for (const char* branch : {"main", "feature/x", "dependabot/npm/x"}) {
    Event event{.name = "push", .ref = branch, .repository = "acme/shop"};
    const auto found = classify(read.policy, event);
    require(!found || !found->reason.empty(), "an answer has a reason");
  }
  return 0;
}
