#include "proxmox-deploy/doctor_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "cli/exit_codes.hpp"
#include "cli/report_file.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/cluster_view.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/guest_config.hpp"
#include "proxmox-deploy/guest_spec.hpp"
#include "proxmox-deploy/image_store.hpp"
#include "proxmox-deploy/property_string.hpp"
#include "proxmox-deploy/rights.hpp"
#include "runner/text_table.hpp"

namespace pca::proxmox_deploy {

namespace {

// What was looked at, and how it is.
struct Finding {
  std::string what;
  bool is_good = true;
  std::string text;
  std::string cure = {};
};

struct DoctorInputs {
  ApiWay way;
  std::string token_name;  // "ci@pve!deploy"
  std::string source;
  std::string node;
  std::string storage;
  std::string pool;
  std::string bridge;
  bool runs_commands = false;
  bool takes_snapshots = false;
  Milliseconds timeout{};
};

class Doctor {
 public:
  Doctor(ToolContext& context, const DoctorInputs& inputs) : context_(context), inputs_(inputs) {}

  Result<int> run() {
    const Budget budget = Budget::of(inputs_.timeout, context_.stop);
    auto api = connect_api(budget, context_, inputs_.way);
    if (!api) {
      add({"API", false, api.error().message, api.error().hint});
      (void)tell();
      return api.error();
    }
    api_ = std::move(*api);
    add({"API", true, fmt::format("{} runs Proxmox VE {}", api_->host(), api_->version())});
    look_at_tls();
    PCA_CHECK(look_at_cluster(budget));
    PCA_CHECK(look_at_place(budget));
    PCA_CHECK(look_at_bridges(budget));
    PCA_CHECK(look_at_rights(budget));
    return tell();
  }

 private:
  void add(Finding finding) { findings_.push_back(std::move(finding)); }

  void look_at_tls() {
    const TlsSettings& tls = *inputs_.way.tls;
    const std::string how = !tls.fingerprints.empty() ? "its fingerprint is trusted"
                            : tls.trusts_anybody      ? "no certificate is checked"
                            : tls.ca.empty()          ? "trusted by this machine's CAs"
                                                      : "trusted by api-ca";
    add({"TLS", !tls.trusts_anybody,
         fmt::format("{}; SHA-256 fingerprint {}", how, api_->fingerprint()),
         tls.trusts_anybody
             ? fmt::format("Give api-fingerprint {}, once you have compared it with `pvenode cert "
                           "info` on the node.",
                           api_->fingerprint())
             : ""});
  }

  ApiResult<> look_at_cluster(const Budget& budget) {
    PCA_TRY(view_, read_cluster(budget, *api_));
    std::vector<std::string> away;
    for (const ClusterNode& node : view_.nodes) {
      if (!node.is_online) away.push_back(visible(node.name));
    }
    add({"nodes", away.empty(),
         away.empty() ? join(view_.node_names(), ", ") : "offline: " + join(away, ", "),
         away.empty() ? "" : "Guests there cannot be deployed; bring the nodes back."});
    const auto status = api_->ask(budget, {.path = "/cluster/status"});
    if (!status) {
      add({"quorum", true, "unknown: the token may not see it (Sys.Audit on /)"});
      return {};
    }
    if (status->as_array() == nullptr) return {};
    for (const Json& one : *status->as_array()) {
      if (one.text_of("type") != "cluster") continue;
      const bool is_quorate = truth_in(one, "quorate");
      add({"quorum", is_quorate, is_quorate ? "the cluster takes writes" : "there is none",
           is_quorate ? "" : "Bring back nodes until more than half of them see each other."});
    }
    return {};
  }

  ApiResult<> look_at_place(const Budget& budget) {
    if (!inputs_.node.empty()) {
      const ClusterNode* node = view_.find_node(inputs_.node);
      const std::vector<std::string> names = view_.node_names();
      add({"node", node != nullptr && node->is_online,
           node == nullptr ? fmt::format("there is no node {}", shown(inputs_.node))
                           : fmt::format("{} is {}", visible(node->name),
                                         node->is_online ? "online" : "offline"),
           node == nullptr ? "The nodes are " + join(names, ", ") + "." : ""});
    }
    if (!inputs_.bridge.empty()) bridges_.insert(inputs_.bridge);
    if (is_archive(inputs_.source)) {
      if (bridges_.empty()) bridges_.insert(PropertyString(default_net).get("bridge"));
      look_at_archive(budget);
    } else if (!inputs_.source.empty()) {
      PCA_CHECK(look_at_template(budget));
    }
    if (!inputs_.storage.empty()) {
      storages_.insert(inputs_.storage);
      look_at_storage();
    }
    return {};
  }

  // Where guests are to run; empty where nobody says.
  [[nodiscard]] const std::string& node() const {
    return inputs_.node.empty() ? template_node_ : inputs_.node;
  }

  void look_at_storage() {
    std::vector<std::string> nodes;
    for (const ClusterStorage& one : view_.storages) {
      if (one.name == inputs_.storage) nodes.push_back(visible(one.node));
    }
    if (nodes.empty()) {
      return add({"storage", false,
                  visible(inputs_.storage) + " is not there, or the token does not see it",
                  "Check its name; to see it takes Datastore.Audit."});
    }
    const bool is_there =
        node().empty() || std::find(nodes.begin(), nodes.end(), visible(node())) != nodes.end();
    add({"storage", is_there,
         fmt::format("{} is on {}", visible(inputs_.storage), join(nodes, ", ")),
         is_there ? "" : fmt::format("Guests are to run on {}, which has none.", visible(node()))});
  }

  // A linked clone's disk is where the template's is.
  void look_at_template_storage(const std::string& storage) {
    if (node().empty() || node() == template_node_ || !inputs_.storage.empty()) return;
    for (const ClusterStorage& one : view_.storages) {
      if (one.name != storage || one.node != template_node_ || one.is_shared) continue;
      add({"template", false,
           fmt::format("its disks are on {}, which is {}'s own", visible(storage),
                       visible(template_node_)),
           fmt::format("Leave node out, or move the template to a storage that {} has, too.",
                       visible(node()))});
    }
  }

  ApiResult<> look_at_bridges(const Budget& budget) {
    if (bridges_.empty() || node().empty()) return {};
    const auto networks = api_->ask(budget, {.path = fmt::format("/nodes/{}/network", node()),
                                             .parameters = {{"type", "any_bridge"}},
                                             .node = node()});
    if (!networks || networks->as_array() == nullptr) {
      add({"bridge", true, "unknown: the node does not tell its networks"});
      return {};
    }
    std::set<std::string> there;
    for (const Json& one : *networks->as_array()) there.insert(one.text_of("iface"));
    for (const std::string& bridge : bridges_) {
      const bool is_there = there.contains(bridge);
      add({"bridge", is_there,
           fmt::format("{} is {}on {}", visible(bridge),
                       is_there ? "" : "not there, or not seen by the token, ", visible(node())),
           is_there ? "" : "Make it there; to see it takes SDN.Use."});
    }
    return {};
  }

  // Without Pool.Audit a pool that is there looks like one that is not.
  void look_at_pool(const Budget& budget, const GrantedRights& granted) {
    if (inputs_.pool.empty()) return;
    const auto pool =
        api_->ask(budget, {.path = "/pools", .parameters = {{"poolid", inputs_.pool}}});
    if (pool) return add({"pool", true, visible(inputs_.pool) + " is there"});
    if (!granted.has("/pool/" + inputs_.pool, "Pool.Audit")) {
      return add({"pool", true, "unknown: the token may not see it (Pool.Audit)"});
    }
    add({"pool", false, visible(inputs_.pool) + " is not there",
         fmt::format("As root on a node: pvesh create /pools --poolid {}",
                     shell_quote(inputs_.pool))});
  }

  ApiResult<> look_at_template(const Budget& budget) {
    const auto source = find_template(view_, inputs_.source);
    if (!source) {
      add({"template", false, source.error().message, source.error().hint});
      return {};
    }
    template_path_ = fmt::format("/vms/{}", source->vmid);
    template_node_ = source->node;
    const auto config = read_config(budget, *api_, *source);
    if (!config) {
      add({"template", false, config.error().message, config.error().hint});
      return {};
    }
    add({"template", config->is_template,
         fmt::format("{} is {}", source->text(), config->is_template ? "a template" : "none"),
         config->is_template ? "" : "Convert it to a template, or name another."});
    add({"agent", config->has_agent,
         config->has_agent ? "the template has agent=1" : "the template has no agent=1",
         config->has_agent ? ""
                           : "Set agent=1 and install qemu-guest-agent in it; or give ip-config "
                             "with a fixed address, and no health-command."});
    if (config->values.as_object() == nullptr) return {};
    for (const auto& [key, value] : *config->values.as_object()) {
      if (value.as_string() == nullptr) continue;
      const PropertyString parts(*value.as_string());
      if (key.starts_with("net") && parts.has("bridge")) bridges_.insert(parts.get("bridge"));
      const bool is_disk = key.starts_with("scsi") || key.starts_with("virtio") ||
                           key.starts_with("sata") || key.starts_with("ide") ||
                           key.starts_with("efidisk");
      const std::string volume = parts.get("");
      if (is_disk && volume.find(':') != std::string::npos) {
        storages_.insert(volume.substr(0, volume.find(':')));
      }
    }
    for (const std::string& storage : storages_) look_at_template_storage(storage);
    return {};
  }

  // What containers are made of: there on the node where they are to run.
  void look_at_archive(const Budget& budget) {
    archive_storage_ = inputs_.source.substr(0, inputs_.source.find(':'));
    const std::string& storage = archive_storage_;
    if (template_node_.empty()) template_node_ = inputs_.node;
    for (const ClusterStorage& one : view_.storages) {
      if (one.name == storage && template_node_.empty()) template_node_ = one.node;
    }
    if (template_node_.empty()) {
      return add({"template", false,
                  visible(storage) + " is not there, or the token does not see it",
                  "Check its name; to see it takes Datastore.Audit."});
    }
    const auto all = read_images(budget, *api_, {template_node_, storage}, "vztmpl");
    if (!all) return add({"template", false, all.error().message, all.error().hint});
    const bool is_there = std::any_of(
        all->begin(), all->end(), [&](const Image& one) { return one.volid == inputs_.source; });
    add({"template", is_there,
         fmt::format("{} is {}on {}", visible(inputs_.source),
                     is_there ? "" : "not there, or not seen by the token, ",
                     visible(template_node_)),
         is_there
             ? ""
             : "\"proxmox-deploy image upload\", \"image oci-pull\" or pveam on the node bring "
               "it there; to see it takes Datastore.Audit."});
  }

  ApiResult<> look_at_rights(const Budget& budget) {
    RightsQuestion question;
    question.major_version = api_->major_version();
    question.template_path = template_path_;
    question.archive_storage = archive_storage_;
    if (!inputs_.pool.empty()) question.guests_path = "/pool/" + inputs_.pool;
    question.storages.assign(storages_.begin(), storages_.end());
    question.bridges.assign(bridges_.begin(), bridges_.end());
    question.runs_commands = inputs_.runs_commands;
    question.takes_snapshots = inputs_.takes_snapshots;
    const auto needed = needed_rights(question);
    PCA_TRY(const Json permissions, api_->ask(budget, {.path = "/access/permissions"}));
    const GrantedRights granted(permissions);
    look_at_pool(budget, granted);
    const auto missing = missing_rights(granted, needed);
    for (const MissingRights& one : missing) {
      add({"rights", false,
           fmt::format("missing on {} {}: {}", one.needed.path, one.needed.what_for,
                       join(one.needed.privileges, ", "))});
    }
    if (missing.empty()) {
      add({"rights", true, "the token has all that a deploy needs"});
      return {};
    }
    lines_ = pveum_lines(needed, inputs_.token_name);
    findings_.back().cure = "Run these lines as root on a node: " + join(lines_, "; ");
    return {};
  }

  Result<int> tell() {
    TextTable table{{"what", "", "found"}, {}};
    Json list = Json::array();
    bool is_well = true;
    for (const Finding& one : findings_) {
      is_well = is_well && one.is_good;
      table.rows.push_back({one.what, one.is_good ? "good" : "BAD", one.text});
      Json entry = Json::object();
      entry.set("what", one.what).set("good", one.is_good).set("found", one.text);
      list.push(entry.set("cure", one.cure));
    }
    context_.reporter.info(aligned_table(table));
    for (const Finding& one : findings_) {
      if (!one.is_good && !one.cure.empty() && (one.what != "rights" || lines_.empty())) {
        context_.reporter.info(one.what + ": " + one.cure);
      }
    }
    if (!lines_.empty()) {
      context_.reporter.info("As root on a node:\n  " + join(lines_, "\n  "));
    }
    Json lines = Json::array();
    for (const std::string& line : lines_) lines.push(line);
    Json report = Json::object();
    report.set("command", "doctor").set("findings", std::move(list));
    report.set("pveum", std::move(lines));
    context_.reporter.output(contract::report, write_report(context_, report));
    context_.reporter.report(report);
    std::string summary =
        "### proxmox-deploy doctor\n\n" + markdown_table(table, context_.redactor);
    if (!lines_.empty()) {
      summary += "\nAs root on a node:\n\n```sh\n" + join(lines_, "\n") + "\n```\n";
    }
    context_.reporter.summary(summary);
    if (is_well) return 0;
    return exit_code_for(lines_.empty() ? ErrorKind::failed : ErrorKind::permission);
  }

  ToolContext& context_;
  const DoctorInputs& inputs_;
  std::unique_ptr<ProxmoxApi> api_;
  ClusterView view_;
  std::string archive_storage_;  // of what containers are made of
  std::string template_path_;
  std::string template_node_;
  std::set<std::string> storages_;
  std::set<std::string> bridges_;
  std::vector<Finding> findings_;
  std::vector<std::string> lines_;
};

// Without its secret part.
std::string name_of_token(const ApiWay& way) {
  if (way.token == nullptr) return {};
  const std::string_view text = way.token->expose();
  const std::size_t begin = text.find('=') + 1;
  return std::string(text.substr(begin, text.find('=', begin) - begin));
}

}  // namespace

CommandSpec doctor_command() {
  const std::string group = "Deploy";
  return {
      .name = "doctor",
      .summary =
          "Looks whether a deploy can work: the API, its certificate, quorum, the template, and "
          "whether the token has the rights it needs, with the lines that give them; ends with 1 "
          "where something is bad, with 5 where rights are missing",
      .options = joined(
          {{{.name = "template",
             .help =
                 "The template to clone: its ID, or its name; of containers the volume they are "
                 "made of, STORAGE:vztmpl/FILE",
             .placeholder = "ID|NAME|VOLUME",
             .group = group},
            {.name = "node", .help = "The node to run on", .placeholder = "NODE", .group = group},
            {.name = "storage",
             .help = "Where the disks of full clones go",
             .placeholder = "STORAGE",
             .group = group},
            {.name = "pool",
             .help = "The pool of the guests: then the token needs rights on that only",
             .placeholder = "POOL",
             .group = group},
            {.name = "bridge",
             .help = "A bridge besides those of the template; for containers the default is vmbr0",
             .placeholder = "BRIDGE",
             .group = group},
            {.name = "runs-commands",
             .type = OptionType::boolean,
             .default_value = "true",
             .help = "Ask for the right to run commands in guests, which health-command needs",
             .group = group},
            {.name = "takes-snapshots",
             .type = OptionType::boolean,
             .default_value = "false",
             .help = "Ask for the rights that snapshots need",
             .group = group}},
           {timeout_option("1m", "How long it may take")},
           api_options()}),
      .outputs = {{contract::report, "Path of a JSON file with all that was found"}},
      .examples = {{"Before the first deploy",
                    "proxmox-deploy doctor --api pve1.example.com --api-token-file token.txt "
                    "--template debian-12"}},
  };
}

Result<int> run_doctor(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  DoctorInputs given;
  given.way = read_api_inputs(context, inputs, bad);
  given.token_name = name_of_token(given.way);
  given.source = inputs.text("template");
  given.node = inputs.text("node");
  given.storage = inputs.text("storage");
  given.pool = inputs.text("pool");
  given.bridge = inputs.text("bridge");
  given.runs_commands = inputs.flag("runs-commands");
  given.takes_snapshots = inputs.flag("takes-snapshots");
  given.timeout = inputs.duration("timeout");
  if (!bad.empty()) return bad.to_error();
  return Doctor(context, given).run();
}

}  // namespace pca::proxmox_deploy
