#include "proxmox-deploy/deploy_command.hpp"

#include <fmt/format.h>

#include "deploy/commit_facts.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/deploy_run.hpp"
#include "proxmox-deploy/preview_name.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr Milliseconds facts_limit{60'000};
constexpr int there_are_changes = 8;

constexpr const char* first_example =
    " --api pve1.example.com --api-token-file token.txt --api-ca pve-root-ca.pem --name shop-web "
    "--template debian-12 --health-url http://{ip}:8080/healthz";

Option on_failure_option() {
  return {.name = "on-failure",
          .type = OptionType::choice,
          .default_value = "remove",
          .help =
              "What becomes of a guest that does not get healthy: removed, or kept for "
              "people to look at until the next deploy",
          .choices = {"remove", "keep"},
          .group = "Switch"};
}

Option dry_run_option() {
  return {.name = "dry-run",
          .type = OptionType::boolean,
          .default_value = "false",
          .help = "Only show the plan",
          .group = "Release"};
}

std::vector<Option> deploy_options() {
  return joined(
      {guest_options(),
       provision_options("Set-up of the new guest by its agent, before it has to be healthy"),
       address_options(),
       health_options(),
       switch_options(),
       {on_failure_option()},
       commit_options("Release"),
       waiting_options(),
       api_options()});
}

// Holds go by the time of a commit.
void learn_of_commit(const ToolContext& context, Provenance& from) {
  const CommitFacts facts = find_commit_facts(Budget::of(facts_limit, context.stop),
                                              context.environment, ".", from.commit);
  if (from.commit_time.empty()) from.commit_time = facts.time;
  from.revert_of = facts.revert_of;
}

}  // namespace

CommandSpec preview_up_command() {
  return {.name = "preview up",
          .summary =
              "Deploys a branch to guests of its own, whose name is made of customer, project, "
              "component and branch; \"gc\" removes them when they are forgotten",
          .options = joined({preview_options(), deploy_options()}),
          .outputs = joined_outputs(run_outputs(true),
                                    {{contract::name, "The name of the preview's application"}}),
          .examples = {{"A branch's preview",
                        "proxmox-deploy preview up --api pve1.example.com --api-token-file "
                        "token.txt --customer acme --project shop --component web --branch "
                        "feature/x --template debian-12 --health-url http://{ip}:8080/healthz"}}};
}

CommandSpec plan_command() {
  std::vector<Output> outputs = run_outputs(true);
  outputs.front().values = {{"planned", "Nothing was written"}};
  return {.name = "plan",
          .summary = "Shows what deploy would do, and writes nothing",
          .options = joined({{app_option()},
                             deploy_options(),
                             {{.name = "exit-code",
                               .type = OptionType::boolean,
                               .default_value = "false",
                               .help = "End with 8 when there is something to change",
                               .group = "Release"}}}),
          .outputs = std::move(outputs),
          .examples = {
              {"What would a deploy do?", std::string("proxmox-deploy plan") + first_example}}};
}

CommandSpec deploy_command() {
  return {
      .name = "deploy",
      .summary =
          "Makes a new guest of a template, and the active one of its application once it is "
          "healthy; until then the old one is not touched, and a failure removes the new one",
      .options = joined({{app_option()}, deploy_options(), {dry_run_option()}}),
      .outputs = run_outputs(true),
      .examples = {{"A new guest for this commit",
                    std::string("proxmox-deploy deploy") + first_example},
                   {"With a fixed address, two cores and 20 GiB, checked from within",
                    "proxmox-deploy deploy --api pve1.example.com --api pve2.example.com "
                    "--api-token-file token.txt --api-fingerprint "
                    "09:06:ED:FF:D8:84:2F:0C:E6:75:5F:E8:9D:AB:8E:A1:9C:B5:20:62:5F:B9:43:0A:8A:"
                    "39:2F:4B:8B:FB:33:18 --name shop-web --template 9000 --cores 2 --memory 2GiB "
                    "--disk-size scsi0=20G --ip-config ip=10.0.0.5/24,gw=10.0.0.1 "
                    "--health-command 'systemctl is-active shop'"}},
  };
}

CommandSpec container_deploy_command() {
  return {
      .name = "lxc deploy",
      .summary =
          "Makes a new container of a container template or an OCI image, and the active one of "
          "its application once it is healthy; its data volumes come from the old one, which "
          "serves on until then where there are none, and again when it fails",
      .options = joined({{app_option()},
                         container_options(),
                         address_options(),
                         container_health_options(),
                         switch_options(),
                         {on_failure_option()},
                         commit_options("Release"),
                         {dry_run_option()},
                         waiting_options(),
                         api_options()}),
      .outputs = run_outputs(true),
      .examples = {{"A new container for this commit, with the data of the one before",
                    "proxmox-deploy lxc deploy --api pve1.example.com --api-token-file token.txt "
                    "--api-ca pve-root-ca.pem --name shop-web --template "
                    "local:vztmpl/shop_1.2.3.tar --storage local-zfs --data "
                    "/var/lib/shop=local-zfs:8GiB --health-url http://{ip}:8080/healthz"}},
  };
}

Result<int> run_deploy(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const bool is_plan = inputs.command() == "plan";
  const ApiWay way = read_api_inputs(context, inputs, bad);
  DeployInputs given;
  const bool is_preview = inputs.command() == "preview up";
  std::string app = is_preview ? read_preview_name(context, inputs, bad) : read_app(inputs, bad);
  if (inputs.command() == "lxc deploy") {
    given.spec = read_container_spec(inputs, std::move(app), bad);
  } else {
    given.spec = read_guest_spec(inputs, std::move(app), bad);
    given.provision = read_provision(context, inputs, false, bad);
    given.spec.provision = given.provision.digest();
  }
  given.run = read_app_run_inputs(context, inputs, bad);
  given.run.app = given.spec.app;
  given.run.address = given.spec.address;
  given.run.health = given.spec.health;
  if (is_preview && inputs.has("branch")) given.run.from.branch = inputs.text("branch");
  given.run.rules.starts_on_boot = given.spec.starts_on_boot;
  given.keeps_failed = inputs.text("on-failure") == "keep";
  given.is_plan = is_plan || (!is_preview && inputs.flag("dry-run"));
  read_commit(context, inputs, given.run.from, bad);
  if (!bad.empty()) return bad.to_error();
  learn_of_commit(context, given.run.from);

  PCA_TRY(const auto api, connect_api(Budget::of(given.run.timeout, context.stop), context, way));
  GuestRun done = run_deployment(context, *api, given);
  if (!given.spec.health.url.empty() && !done.ip.empty()) {
    done.url = health_url(given.spec.health.url, done.ip);
  }
  if (is_preview) context.reporter.output(contract::name, done.app);
  tell_run(context, done, start);
  PCA_TRY(const int code, end_of(context, done));
  const bool has_changes = done.plan.empty() || !done.plan.front().starts_with('=');
  return is_plan && inputs.flag("exit-code") && has_changes ? there_are_changes : code;
}

}  // namespace pca::proxmox_deploy
