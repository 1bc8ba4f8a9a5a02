#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "base/digest.hpp"
#include "support/proxmox_step.hpp"

namespace pca::test {
namespace {

using testing::SandboxProxmox;

// What Proxmox VE's own schema says of a call: {"PUT
// /nodes/{node}/qemu/{vmid}/config": {...}}.
class Schema {
 public:
  explicit Schema(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    auto json = parse_json(text.str());
    EXPECT_TRUE(json) << path;
    if (json) json_ = *std::move(json);
  }

  // What is wrong with a request; empty: nothing.
  [[nodiscard]] std::string complaint(const Json& request) const {
    const std::string method = request.text_of("method");
    const std::vector<std::string> parts = split(request.text_of("path"), '/');
    const Json* found = nullptr;
    std::vector<std::string> path;
    std::ptrdiff_t fewest = 100;  // names in braces: the call that says most of the path is meant
    for (const auto& [call, definition] : *json_.as_object()) {
      const std::size_t space = call.find(' ');
      if (call.substr(0, space) != method) continue;
      const std::vector<std::string> wanted = split(call.substr(space + 1), '/');
      const auto open = std::count(call.begin(), call.end(), '{');
      if (!fits(parts, wanted) || open >= fewest) continue;
      fewest = open;
      found = &definition;
      path = wanted;
    }
    if (found != nullptr) return complaint_of(*found, *request.find("parameters"), path);
    return "there is no such call";
  }

 private:
  static bool fits(const std::vector<std::string>& parts, const std::vector<std::string>& wanted) {
    // A volume's name has slashes of its own.
    const bool takes_rest = wanted.back() == "{volume}" && parts.size() > wanted.size();
    if (parts.size() != wanted.size() && !takes_rest) return false;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (!wanted[i].starts_with('{') && parts[i] != wanted[i]) return false;
    }
    return true;
  }
  static std::string complaint_of(const Json& definition, const Json& given,
                                  const std::vector<std::string>& path) {
    const Json* parameters = definition.find("parameters");
    const Json* known = parameters == nullptr ? nullptr : parameters->find("properties");
    const Json none = Json::object();
    if (known == nullptr || known->as_object() == nullptr) known = &none;
    for (const auto& [name, value] : *given.as_object()) {
      const Json* rule = known->find(name);
      // net0 is one of net[n].
      if (rule == nullptr)
        rule = known->find(std::regex_replace(name, std::regex("[0-9]+$"), "[n]"));
      if (rule == nullptr) return "no parameter " + name;
      const std::string text = value.as_string() == nullptr ? value.dump() : *value.as_string();
      const std::string type = rule->text_of("type");
      if (type == "boolean" && text != "0" && text != "1") return name + " is no boolean: " + text;
      if (type == "integer" && !parse_integer(text, 0, 9'000'000'000'000)) {
        return name + " is no integer: " + text;
      }
      if (const Json* longest = rule->find("maxLength"); longest != nullptr) {
        const std::int64_t* most = longest->as_int();
        if (most != nullptr && static_cast<std::int64_t>(text.size()) > *most) {
          return name + " is too long";
        }
      }
    }
    for (const auto& [name, rule] : *known->as_object()) {
      const bool is_in_path = std::find(path.begin(), path.end(), "{" + name + "}") != path.end();
      const Json* optional = rule.find("optional");
      const bool is_needed = optional == nullptr || optional->dump() == "0";
      if (is_needed && !is_in_path && given.find(name) == nullptr) return name + " is missing";
    }
    return {};
  }

  Json json_ = Json::object();
};

// Each command, with what makes it ask for most.
void ask_for_everything(const SandboxProxmox& cluster, ProxmoxStep& step, const ProxmoxStep& root) {
  const auto good = [](const ProxmoxStep::Result& done) { EXPECT_EQ(done.code, 0) << done.all(); };
  const std::string port = std::to_string(cluster.application_port());
  good(step.deploy({"--cores", "2", "--memory", "1GiB", "--disk-size", "scsi0=+1G", "--ci-user",
                    "app", "--ip-config", "ip=dhcp", "--nameserver", "10.0.0.53", "--tags", "blue",
                    "--health-command", "true"}));
  step.commit = std::string(40, 'b');
  good(root.deploy(
      {"--clone", "full", "--storage", "local-zfs", "--config", "net0=virtio,bridge=vmbr0"}));
  step.commit = std::string(40, 'c');
  good(step.deploy());
  good(step.run("rollback", {"--name", "web", "--health-port", port}));
  good(step.run("unhold", {"--name", "web"}));
  const auto status = step.run("status", {"--name", "web"});
  good(status);
  const std::string guest = status.outputs.at("vmid");
  good(root.run("snapshot create " + guest, {"--snapshot", "one", "--description", "x"}));
  good(root.run("snapshot list " + guest));
  good(root.run("snapshot rollback " + guest, {"--snapshot", "one"}));
  good(root.run("snapshot delete " + guest, {"--snapshot", "one"}));
  for (const char* verb : {"reboot", "shutdown", "start", "stop"}) {
    good(root.run(std::string("power ") + verb + " " + guest));
  }
  good(root.run("power start " + guest));
  good(root.run("wait --guest " + guest, {"--health-command", "true"}));
  const TempFolder files;
  const std::string image = files.write("shop.iso", "an image");
  good(root.run("run --guest " + guest, {"--command", "true"}));
  good(root.run("push --guest " + guest, {"--upload", image + " -> /srv/shop.iso"}));
  good(step.run("update", {"--name", "web", "--command", "true", "--health-port", port}));
  const std::vector<std::string> place{"--storage", "local", "--node", "pve1"};
  const auto with_place = [&](std::vector<std::string> words) {
    words.insert(words.end(), place.begin(), place.end());
    return words;
  };
  good(root.run("image upload", with_place({"--file", image})));
  const std::string url = "https://images.example.com/debian.qcow2";
  good(root.run("image download-url",
                with_place({"--url", url, "--checksum", to_hex(sha256(url))})));
  good(root.run("image oci-pull", with_place({"--reference", "registry.example.com/shop:1"})));
  good(root.run("image list", with_place({})));
  good(root.run("image prune", with_place({"--images", "shop*", "--keep", "0"})));
  good(root.run("backup", {guest, "--storage", "local", "--notes", "x", "--keep", "2"}));
  const std::string rules = files.write("rules.yml", "- {action: ACCEPT, dport: 443, proto: tcp}");
  good(step.run("firewall apply", {"--guest", guest, "--rules", rules}));
  good(step.run("firewall apply", {"--guest", guest, "--rules", files.write("none.yml", "[]")}));
  good(step.run("doctor", {"--template", "debian-12"}));
  good(step.run("tasks", {"--node", "pve1", "--failed", "--vmid", guest}));
  good(step.run("destroy", {"--name", "web"}));
  const auto container = [&](const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{
        "--name",        "shop",
        "--template",    "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst",
        "--storage",     "local-zfs",
        "--health-port", port,
        "--data",        "/var/lib/shop=local-zfs:1GiB"};
    words.insert(words.end(), more.begin(), more.end());
    good(step.run("lxc deploy", words));
  };
  container({"--cores", "1", "--memory", "1GiB", "--swap", "256MiB", "--nameserver", "10.0.0.53"});
  step.commit = std::string(40, 'e');
  container();
  good(step.run("rollback", {"--name", "shop", "--health-port", port}));
  good(step.run("destroy", {"--name", "shop", "--delete-data"}));
}

TEST(ProxmoxSchema, KnowsEveryRequestThatIsSent) {
  const char* folder = std::getenv("PVE_APIDOC");
  if (folder == nullptr) {
    GTEST_SKIP() << "PVE_APIDOC names no folder with apidoc-9.2.json and "
                    "apidoc-8.4.json: the "
                    "schema by method and path. A host of Proxmox VE has it in "
                    "/usr/share/pve-docs/api-viewer/apidoc.js.";
  }
  SandboxProxmox cluster({}, 20);
  ProxmoxStep step(cluster);
  ProxmoxStep root(cluster, SandboxProxmox::root_token);
  root.commit = std::string(40, 'd');
  ask_for_everything(cluster, step, root);
  for (const char* release : {"9.2", "8.4"}) {
    const Schema schema(std::string(folder) + "/apidoc-" + release + ".json");
    std::set<std::string> complaints;
    for (const Json& request : cluster.requests()) {
      if (request.text_of("path").starts_with("/sandbox")) continue;
      const bool is_new = request.text_of("path").ends_with("/oci-registry-pull");
      if (is_new && std::string_view(release) == "8.4") continue;  // which the tool does not ask
      const std::string why = schema.complaint(request);
      if (!why.empty()) {
        complaints.insert(request.text_of("method") + " " + request.text_of("path") + ": " + why);
      }
    }
    EXPECT_TRUE(complaints.empty())
        << release << "\n"
        << join(std::vector<std::string>(complaints.begin(), complaints.end()), "\n");
  }
}

}  // namespace
}  // namespace pca::test
