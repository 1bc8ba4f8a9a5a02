#include "proxmox-deploy/firewall_command.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/grace_period.hpp"
#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/firewall_rules.hpp"
#include "proxmox-deploy/guest_config.hpp"
#include "proxmox-deploy/guest_spec.hpp"
#include "proxmox-deploy/one_guest.hpp"
#include "proxmox-deploy/property_string.hpp"
#include "runner/text_table.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::uint64_t file_limit = 256ULL << 10;
constexpr Milliseconds reading_limit{10'000};
constexpr Milliseconds undo_limit{60'000};
constexpr Milliseconds cancelled_limit{6'000};  // a cancelled step has 7 s

class Applying {
 public:
  Applying(ToolContext& context, ProxmoxApi& api, const Guest& guest, std::string owner)
      : context_(context), api_(api), guest_(guest), owner_(std::move(owner)) {}

  // Whether anything was written. Errors: rolled_back, or outcome_unknown where that failed.
  Result<bool> apply(const Budget& budget, const std::vector<FirewallRule>& wanted,
                     bool is_dry_run) {
    PCA_TRY(GuestRules now, read(budget));
    there_ = now.rules;
    const std::vector<RuleStep> steps = plan_rules(there_, wanted, owner_);
    tell(wanted, steps);
    PCA_CHECK(look_whether_it_counts(budget));
    if (is_dry_run || steps.empty()) return false;
    for (const RuleStep& step : steps) {
      const GracePeriod grace(budget, writing_grace);
      auto written = write(grace.budget(), step);
      if (written) {
        done_.push_back(step);
        continue;
      }
      return take_back(std::move(written).error());
    }
    return true;
  }

 private:
  [[nodiscard]] std::string path(const std::string& rest) const {
    return guest_path(guest_.node, guest_.type, guest_.vmid, "/firewall/" + rest);
  }

  ApiResult<GuestRules> read(const Budget& budget) {
    PCA_TRY(const Json data, api_.ask(budget, {.path = path("rules"), .node = guest_.node}));
    return parse_rules(data);
  }

  void tell(const std::vector<FirewallRule>& wanted, const std::vector<RuleStep>& steps) {
    TextTable table{{"", "rule"}, {}};
    for (const FirewallRule& rule : wanted) {
      table.rows.push_back({steps.empty() ? "=" : "+", describe(rule)});
    }
    for (const RuleStep& step : steps) {
      if (step.kind == RuleStep::Kind::remove) table.rows.push_back({"-", describe(step.rule)});
    }
    const std::size_t others = static_cast<std::size_t>(
        std::count_if(there_.begin(), there_.end(),
                      [&](const FirewallRule& rule) { return !is_owned(rule, owner_); }));
    if (others > 0) {
      table.rows.push_back({"", fmt::format("{} rules of others stay", others)});
    }
    context_.reporter.info(table.rows.empty() ? guest_.text() + ": no rules"
                                              : aligned_table(table));
    context_.reporter.summary(fmt::format("### proxmox-deploy firewall apply: {}\n\n{}",
                                          guest_.text(), markdown_table(table, context_.redactor)));
  }

  // Rules do nothing where one of three switches is off.
  Result<> look_whether_it_counts(const Budget& budget) {
    const auto warn = [&](const std::string& what, const std::string& cure) {
      context_.reporter.warning(Warning{"Firewall", fmt::format("{}. {}", what, cure)});
    };
    PCA_TRY(const GuestConfig config, read_config(budget, api_, guest_));
    for (int i = 0; i < most_nets; ++i) {
      const std::string net = config.text(fmt::format("net{}", i));
      if (net.empty() || PropertyString(net).get("firewall") == "1") continue;
      warn(fmt::format("net{} of guest {} has no firewall=1: these rules do nothing there", i,
                       guest_.text()),
           "Set it in the guest's network device.");
    }
    PCA_TRY(const Json options, api_.ask(budget, {.path = path("options"), .node = guest_.node}));
    if (!truth_in(options, "enable")) {
      warn(fmt::format("the firewall of guest {} is off", guest_.text()),
           "Switch it on in the guest's firewall options.");
    }
    const auto cluster = api_.ask(budget, {.path = "/cluster/firewall/options"});
    if (cluster && !truth_in(*cluster, "enable")) {
      warn("the firewall of the cluster is off, and with it that of all guests",
           "Switch it on in the datacenter's firewall options.");
    }
    return {};
  }

  // As they are known; of our own the cluster may write a value in another way than we do.
  [[nodiscard]] bool is_same(const std::vector<FirewallRule>& rules) const {
    return std::equal(rules.begin(), rules.end(), there_.begin(), there_.end(),
                      [&](const FirewallRule& now, const FirewallRule& known) {
                        return now == known || (is_owned(now, owner_) && is_owned(known, owner_));
                      });
  }

  // Only as the rules are known: somebody else's change in between is a conflict.
  Result<> write(const Budget& budget, const RuleStep& step) {
    PCA_TRY(const GuestRules now, read(budget));
    if (!is_same(now.rules)) {
      return conflict(fmt::format("somebody else changes the rules of guest {}", guest_.text()),
                      "Look who, then run it again.");
    }
    using Kind = RuleStep::Kind;
    const std::vector<FirewallRule> then = after(now.rules, step);
    ApiRequest request{
        .method = step.kind == Kind::insert   ? "POST"
                  : step.kind == Kind::remove ? "DELETE"
                                              : "PUT",
        .path = path(step.kind == Kind::insert   ? "rules"
                     : step.kind == Kind::remove ? fmt::format("rules/{}", step.place)
                                                 : "rules/0"),
        .node = guest_.node};
    if (step.kind == Kind::insert) {
      request.parameters.assign(step.rule.begin(), step.rule.end());
    } else {
      // Before which one, as the places are now.
      if (step.kind == Kind::move)
        request.parameters = {{"moveto", std::to_string(step.place + 1)}};
      if (!now.digest.empty()) request.parameters.emplace_back("digest", now.digest);
    }
    request.find_done = [&](const Budget& limit) -> ApiResult<std::optional<Json>> {
      PCA_TRY(const GuestRules found, read(limit));
      const bool is_done = found.rules.size() == then.size() && found.rules != now.rules;
      return is_done ? std::optional(Json()) : std::nullopt;
    };
    PCA_CHECK(api_.ask_patiently(budget, request));
    there_ = then;
    return {};
  }

  // In the other direction. What was there serves until then: new rules came before old ones went.
  Error take_back(Error error) {
    if (done_.empty()) return error;
    context_.reporter.info("It failed; the rules that were written are taken back");
    const Budget limit = Budget::of(context_.stop.stop_requested() ? cancelled_limit : undo_limit);
    while (!done_.empty()) {
      for (const RuleStep& step : done_.back().undone()) {
        const auto undone = write(limit, step);
        if (undone) continue;
        return outcome_unknown(
            fmt::format("{}; and not all rules could be taken back: {}", error.message,
                        undone.error().message),
            "Look at the guest's firewall; the next run makes its own rules what they should be.");
      }
      done_.pop_back();
    }
    if (error.kind != ErrorKind::cancelled && error.kind != ErrorKind::conflict) {
      error.kind = ErrorKind::rolled_back;
    }
    error.message += "; the rules are as before";
    return error;
  }

  ToolContext& context_;
  ProxmoxApi& api_;
  const Guest& guest_;
  const std::string owner_;
  std::vector<FirewallRule> there_;
  std::vector<RuleStep> done_;
};

}  // namespace

CommandSpec firewall_apply_command() {
  const std::string group = "Firewall";
  return {
      .name = "firewall apply",
      .summary =
          "Makes an owner's rules of a guest's firewall what a file says, above those of others, "
          "which stay as they are; new ones come before old ones go, and a failure takes all back",
      .options = joined({{guest_option(),
                          {.name = "rules",
                           .help = "A file of YAML or JSON with the rules, from the first: "
                                   "- {action: ACCEPT, proto: tcp, dport: 443, source: 10.0.0.0/8}",
                           .placeholder = "PATH",
                           .required = true,
                           .group = group},
                          {.name = "owner",
                           .default_value = "proxmox-deploy",
                           .help = "Whose rules these are: it stands at the end of their comments, "
                                   "and only what has it is changed",
                           .placeholder = "NAME",
                           .group = group},
                          {.name = "dry-run",
                           .type = OptionType::boolean,
                           .default_value = "false",
                           .help = "Only show what would change",
                           .group = group}},
                         {timeout_option("2m", "How long it may take")},
                         api_options()}),
      .outputs =
          joined_outputs(guest_outputs(), {{contract::outcome,
                                            "What became of it",
                                            {{"planned", "It was a dry run; nothing was written"},
                                             {"applied", "The rules are what the file says"},
                                             {"unchanged", "They were already"}}}}),
      .examples = {{"What may reach a database",
                    example_of(
                        "firewall apply --guest shop-db --rules firewall.yml --owner shop")}},
  };
}

Result<int> run_firewall(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  const std::string& owner = inputs.text("owner");
  if (!is_tag(owner)) {
    bad.add("owner", fmt::format("{} is no owner's name", shown(owner)),
            "Write lower case letters, digits, _, -, + and .");
  }
  std::vector<FirewallRule> wanted;
  if (inputs.has("rules")) {
    const auto text =
        read_input_file(Budget::of(reading_limit, context.stop), inputs.text("rules"), file_limit);
    if (text) {
      wanted = read_rules(*text, owner, bad);
    } else {
      bad.add("rules", text.error());
    }
  }
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const FoundGuest found, find_one_guest(budget, context, way, inputs.text("guest")));
  Applying applying(context, *found.api, found.guest, owner);
  const bool is_dry_run = inputs.flag("dry-run");
  PCA_TRY(const bool has_changed, applying.apply(budget, wanted, is_dry_run));
  const std::string outcome = is_dry_run ? "planned" : has_changed ? "applied" : "unchanged";
  context.reporter.output(contract::outcome, outcome);
  context.reporter.info(fmt::format("{}: {}", found.guest.text(), outcome));
  return 0;
}

}  // namespace pca::proxmox_deploy
