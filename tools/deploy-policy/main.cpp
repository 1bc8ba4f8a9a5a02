#include "cli/tool_main.hpp"
#include "deploy-policy/classify_command.hpp"
#include "deploy-policy/exec_command.hpp"
#include "deploy-policy/export_command.hpp"
#include "deploy-policy/lint_command.hpp"
#include "deploy-policy/migrate_command.hpp"
#include "deploy-policy/name_command.hpp"
#include "deploy-policy/options.hpp"

namespace pca::deploy_policy {

namespace {

Result<int> run(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const std::string command = inputs.command();
  if (command == "classify") return run_classify(context, std::move(inputs), bad);
  if (command.starts_with("name ")) return run_name(context, std::move(inputs), bad);
  if (command == "exec") return run_exec(context, std::move(inputs), bad);
  if (command == "lint") return run_lint(context, std::move(inputs), bad);
  if (command == "export") return run_export(context, std::move(inputs), bad);
  if (command == "migrate") return run_migrate(context, std::move(inputs), bad);
  return tool_bug("no code for the command " + command);
}

}  // namespace

}  // namespace pca::deploy_policy

int main(int argc, char** argv) {
  using namespace pca::deploy_policy;
  return pca::tool_main(argc, argv, "deploy-policy", tool_spec, run);
}
