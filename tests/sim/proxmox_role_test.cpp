// The role that proxmox-deploy doctor writes down is enough for every deploy, and no deploy needs
// more.
#include <gtest/gtest.h>

#include <set>

#include "support/proxmox_step.hpp"

namespace pca::test {
namespace {

using testing::SandboxProxmox;
using Words = std::vector<std::string>;

constexpr const char* archive = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";
constexpr const char* token_name = "deploy@pve!new";
constexpr const char* secret = "00000000-aaaa-4aaa-8aaa-000000000009";

Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// What stands behind `name` in a line of a shell: a word, or what is between quotes.
std::string word_behind(const std::string& line, const std::string& name) {
  const std::size_t at = line.find(name + " ");
  if (at == std::string::npos) return {};
  std::string rest = line.substr(at + name.size() + 1);
  if (rest.starts_with('\'')) return rest.substr(1, rest.find('\'', 1) - 1);
  return rest.substr(0, rest.find(' '));
}

// A token that may nothing, until somebody runs what the doctor writes.
class ProxmoxRole : public ::testing::TestWithParam<const char*> {
 protected:
  ProxmoxRole() {
    cluster.token(std::string(R"({"id": ")") + token_name + R"(", "secret": ")" + secret +
                  R"(", "acl": []})");
  }

  // As root on a node: one role, whose privileges each `role modify` replaces, on each path.
  void run_lines(const Json& report) {
    const Json* lines = report.find("pveum");
    ASSERT_NE(lines, nullptr);
    for (const Json& each : *lines->as_array()) {
      const std::string& line = *each.as_string();
      if (line.starts_with("pveum role add ProxmoxDeploy ")) {
        privileges_ = split(word_behind(line, "-privs"), ',');
      } else if (line.find(std::string("-tokens '") + token_name + "'") != std::string::npos) {
        paths_.insert(word_behind(line, "modify"));
        EXPECT_EQ(word_behind(line, "-roles"), "ProxmoxDeploy") << line;
      } else {
        EXPECT_EQ(word_behind(line, "-users"), "deploy@pve") << line;
      }
    }
    Json names = Json::array();
    for (const std::string& one : privileges_) names.push(one);
    Json acl = Json::array();
    for (const std::string& path : paths_) {
      acl.push(Json::object().set("path", path).set("privileges", names));
    }
    cluster.token(Json::object().set("id", token_name).set("acl", std::move(acl)).dump());
  }

  // Until the doctor is content. It sees more once it has the first rights.
  void give_what_the_doctor_asks_for(const Words& about) {
    for (int visits = 0; visits < 4; ++visits) {
      const auto visit = step.run("doctor", about);
      if (visit.code == 0) return;
      ASSERT_EQ(visit.code, 5) << visit.all();
      run_lines(visit.report);
    }
    FAIL() << "the doctor is never content: " << step.run("doctor", about).all();
  }

  void expect_well(const std::string& command, const Words& words) {
    const auto done = step.run(command, words);
    EXPECT_EQ(done.code, 0) << command << ": " << done.all();
  }
  [[nodiscard]] Words health() const {
    return {"--health-successes", "1", "--health-url",
            "http://{ip}:" + std::to_string(cluster.application_port()) + "/healthz"};
  }

  SandboxProxmox cluster{{"--release", GetParam()}, 20};
  ProxmoxStep step{cluster, std::string(token_name) + "=" + secret};

 private:
  Words privileges_;
  std::set<std::string> paths_;
};

TEST_P(ProxmoxRole, IsEnoughForVirtualMachines) {
  give_what_the_doctor_asks_for(
      {"--template", "debian-12", "--storage", "local-zfs", "--takes-snapshots"});
  const Words web = joined({"--name", "web"}, health());
  const Words of_template = joined(web, {"--template", "debian-12"});
  expect_well("plan", of_template);
  expect_well("deploy", joined(of_template, {"--script", "echo made >/made", "--health-command",
                                             "true", "--cores", "1", "--memory", "1GiB"}));
  step.commit = std::string(40, 'b');
  expect_well("deploy",
              joined(of_template, {"--storage", "local-zfs", "--disk-size", "scsi0=+1G"}));
  expect_well("rollback", joined(web, {"--reason", "a try"}));
  expect_well("unhold", {"--name", "web"});
  step.commit = std::string(40, 'c');
  expect_well("update", joined(web, {"--command", "echo in place >/made"}));
  const auto broken = step.run("update", joined({"--name", "web", "--commit", std::string(40, 'd')},
                                                joined(health(), {"--command", "exit 7"})));
  EXPECT_EQ(broken.code, 3) << broken.all();
  expect_well("status", {"--name", "web"});
  expect_well("gc", {"--names", "nobody-*", "--ttl", "1h"});
  expect_well("destroy", {"--name", "web"});
}

TEST_P(ProxmoxRole, IsEnoughForContainersWithData) {
  give_what_the_doctor_asks_for({"--template", archive, "--storage", "local-zfs"});
  const Words shop = joined({"--name", "shop"}, health());
  const Words of_archive = joined(shop, {"--template", archive, "--storage", "local-zfs", "--data",
                                         "/var/lib/shop=local-zfs:1GiB"});
  expect_well("lxc deploy", of_archive);
  step.commit = std::string(40, 'b');
  expect_well("lxc deploy", of_archive);
  expect_well("rollback", joined(shop, {"--reason", "a try"}));
  expect_well("destroy", {"--name", "shop", "--delete-data"});
}

// Whoever steals it deploys, and does not run the cluster.
TEST_P(ProxmoxRole, GivesNoRightToRunTheCluster) {
  const auto visit = step.run("doctor", {"--template", "debian-12"});
  ASSERT_EQ(visit.code, 5) << visit.all();
  EXPECT_EQ(visit.all().find("Administrator"), std::string::npos) << visit.all();
  EXPECT_EQ(visit.all().find("acl modify '/' "), std::string::npos) << visit.all();
  for (const char* others : {"Sys.Modify", "Permissions.Modify", "User.Modify", "Realm."}) {
    EXPECT_EQ(visit.all().find(others), std::string::npos) << others << "\n" << visit.all();
  }
}

INSTANTIATE_TEST_SUITE_P(Of, ProxmoxRole, ::testing::Values("9.2", "8.4"), [](const auto& release) {
  return "Release" + std::string(1, release.param[0]);
});

}  // namespace
}  // namespace pca::test
