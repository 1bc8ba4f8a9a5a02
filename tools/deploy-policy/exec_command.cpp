#include "deploy-policy/exec_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/system_error.hpp"
#include "base/text.hpp"
#include "deploy-policy/classify.hpp"
#include "deploy-policy/event_input.hpp"
#include "deploy-policy/policy_input.hpp"

namespace pca::deploy_policy {

namespace {

// The branch of a build of Cloudflare's, which has no GitHub event: Workers Builds, then Pages.
std::string branch_of_build(const ToolContext& context) {
  for (const char* name : {"WORKERS_CI_BRANCH", "CF_PAGES_BRANCH"}) {
    if (std::string branch = variable_in(context.environment, name); !branch.empty()) return branch;
  }
  return {};
}

void check_classes(const std::vector<std::string>& wanted, BadInputs& bad) {
  std::vector<std::string> known;
  for (const ClassRow& row : class_table()) {
    if (row.value != DeployClass::none) known.emplace_back(row.name);
  }
  for (const std::string& name : wanted) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string near = nearest(name, known);
    bad.add("class", fmt::format("{} is no class that does anything", shown(name)),
            fmt::format("{}Write one of: {}.",
                        near.empty() ? std::string() : fmt::format("Did you mean {}? ", near),
                        join(known, ", ")));
  }
}

struct Verdict {
  DeployClass value = DeployClass::none;
  std::string reason;
};

Verdict judge_branch(const Policy& policy, const std::string& branch, BadInputs& bad) {
  if (const auto good = check_branch_name(branch); !good) {
    bad.add("ref", good.error());
    return {};
  }
  const BranchDecision decision = classify_branch(policy, branch);
  return {decision.value, fmt::format("build of {}: {}", visible(branch), decision.rule)};
}

Verdict judge_ref(const Policy& policy, const std::string& ref, BadInputs& bad) {
  const std::string branch = branch_of_ref(ref);
  if (!branch.empty()) return judge_branch(policy, branch, bad);
  return {DeployClass::none, fmt::format("build of {}, no branch", visible(ref))};
}

Verdict judge_event(ToolContext& context, const Inputs& inputs, const Policy& policy,
                    BadInputs& bad) {
  const Event event = read_event(context, inputs, bad);
  if (!bad.empty()) return {};
  const auto found = classify(policy, event);
  if (!found) {
    bad.add(found.error());
    return {};
  }
  return {found->value, found->reason};
}

Verdict judge(ToolContext& context, const Inputs& inputs, const Policy& policy, BadInputs& bad) {
  const bool has_event = inputs.has("event") || inputs.has("event-file");
  if (inputs.has("ref") && !has_event) return judge_ref(policy, inputs.text("ref"), bad);
  const std::string branch = branch_of_build(context);
  if (!has_event && !branch.empty()) return judge_branch(policy, branch, bad);
  if (!has_event && variable_in(context.environment, "GITHUB_EVENT_NAME").empty()) {
    bad.add("ref", "is not known: neither a build of Cloudflare nor a run of GitHub is here",
            "Give --ref BRANCH.");
    return {};
  }
  return judge_event(context, inputs, policy, bad);
}

// The command in place of this process: so signals, exit code and streams are its own.
Error become(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  ::execvp(arguments.front(), arguments.data());
  const int error = errno;
  return failed(fmt::format("cannot run {}: {}", shown(words.front()), errno_text(error)),
                "Check that it is installed and on PATH.");
}

}  // namespace

Result<int> run_exec(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const Policy policy = read_policy(context, inputs, bad);
  const std::vector<std::string>& words = inputs.list("command");
  if (words.empty() && !bad.names("command")) {
    bad.add("command", "is missing", "Write it behind \"--\".");
  }
  const std::vector<std::string>& wanted = inputs.list("class");
  check_classes(wanted, bad);
  const Verdict verdict = judge(context, inputs, policy, bad);
  if (!bad.empty()) return bad.to_error();
  const std::string_view name = class_name(verdict.value);
  const bool is_wanted = std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  context.reporter.info(fmt::format("{} ({}): {} {}", name, verdict.reason,
                                    is_wanted ? "running" : "not running", shown(words.front())));
  if (!is_wanted) return 0;
  context.reporter.finish();
  return become(words);
}

}  // namespace pca::deploy_policy
