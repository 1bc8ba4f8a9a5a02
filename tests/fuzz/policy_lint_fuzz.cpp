// Wrangler's configuration and workflows: whatever a repository holds, lint ends with findings that
// each have a place, and formats them.

#include <algorithm>

#include "base/jsonc.hpp"
#include "base/text.hpp"
#include "base/toml.hpp"
#include "deploy-policy/lint.hpp"
#include "deploy-policy/lint_formats.hpp"
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::deploy_policy;
  using namespace pca::fuzz;
  const std::string text(text_of(data, size));
  const auto lines = static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 1;
  const std::vector<Finding> findings = lint(Repository::of({{"wrangler.toml", text},
                                                             {"app/wrangler.jsonc", text},
                                                             {"package.json", text},
                                                             {"action.yml", text},
                                                             {".github/workflows/ci.yml", text},
                                                             {"deploy.sh", text}}),
                                             Policy());
  for (const Finding& finding : findings) {
    require(finding.at.line >= 1 && finding.at.line <= lines + 1,
            "a finding has a line of its file");
    require(!finding.message.empty() && !finding.cure.empty(), "it says what and what to do");
    require(find_rule(finding.rule) != nullptr, "its rule is known");
  }
  const std::string shown = as_text(findings, FixHints::shown);
  require(std::count(shown.begin(), shown.end(), '\x1b') == 0, "it is safe to print");
  require(as_sarif(findings).find("runs") != nullptr, "it is SARIF");
  return 0;
}
