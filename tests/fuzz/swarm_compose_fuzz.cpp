// A compose file may be a stranger's on a pull request: any text is a stack, or mistakes that each
// name a place in it and are safe to print.

#include <algorithm>

#include "base/text.hpp"
#include "fuzz/fuzz.hpp"
#include "swarm-deploy/compose_file.hpp"
#include "swarm-deploy/stack_spec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::swarm_deploy;
  using namespace pca::fuzz;
  const std::string text(text_of(data, size));
  const Variables variables{{"HOME", "/home/tester"}, {"TAG", "v1"}, {"EMPTY", ""}};
  const ReadFile read_file = [](const std::string&) -> Result<std::string> {
    return std::string("A=1\nTAG\n");
  };
  const ComposeSources sources{variables, UnsetVariables::empty, "/project", read_file};
  // Over itself, so that merging is looked at too.
  const std::vector<ComposeText> files{{"stack.yml", text}, {"stack.yml", text}};
  const Compose compose = read_compose_files(files, sources);
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  for (const Problem& problem : compose.problems.mistakes) {
    require(problem.place.line >= 1 && problem.place.line <= lines + 1,
            "a mistake has a line of the file");
    require(visible(problem.message()) == problem.message(), "it is safe to print");
  }
  if (!compose.problems.mistakes.empty()) return 0;
  const std::string printed = compose_yaml(compose.config);
  const std::vector<ComposeText> again{{"printed.yml", printed}};
  const Variables none;
  (void)read_compose_files(again, {none, UnsetVariables::empty, "/project", read_file});
  const ConvertedStack stack = convert_stack("shop", compose, read_file, variables, true);
  for (const StackService& service : stack.spec.services) {
    require(parse_json(service.spec.dump()).has_value(), "a spec is JSON");
  }
  return 0;
}
