// proxmox-deploy firewall apply and backup, on a cluster of the sandbox's.
#include <gtest/gtest.h>

#include "support/comes_true.hpp"
#include "support/proxmox_step.hpp"
#include "support/temp_folder.hpp"

namespace pca::test {
namespace {

using testing::SandboxProxmox;

const std::string rules_path = "/nodes/pve1/qemu/100/firewall/rules";

class ProxmoxFirewall : public ::testing::Test {
 protected:
  ProxmoxStep::Result apply(const std::string& rules, const std::vector<std::string>& more = {},
                            const std::string& owner = "shop") {
    std::vector<std::string> words{"--guest", "legacy",  "--owner",
                                   owner,     "--rules", files.write("rules.yml", rules)};
    words.insert(words.end(), more.begin(), more.end());
    return step.run("firewall apply", words);
  }
  // "ACCEPT 443 web [shop]", from the first.
  std::vector<std::string> rules() {
    std::vector<std::string> out;
    const Json all = cluster.data("GET", rules_path);
    for (const Json& one : *all.as_array()) {
      out.push_back(one.text_of("action") + " " + one.text_of("dport") + " " +
                    one.text_of("comment"));
    }
    return out;
  }
  void add_foreign() {
    ASSERT_EQ(cluster
                  .call("POST", rules_path,
                        "type=in&action=DROP&proto=tcp&dport=25&enable=1&comment=by%20hand")
                  .status,
              200);
  }
  using Rules = std::vector<std::string>;

  static constexpr const char* two =
      "- {action: ACCEPT, proto: tcp, dport: 443, comment: web}\n"
      "- {action: ACCEPT, proto: tcp, dport: \"22\", source: 10.0.0.0/8, log: info}\n";
  SandboxProxmox cluster{{}, 100};
  ProxmoxStep step{cluster};
  TempFolder files;
};

TEST_F(ProxmoxFirewall, MakesTheOwnersRulesWhatTheFileSaysAndLeavesThoseOfOthers) {
  add_foreign();
  const auto first = apply(two);
  ASSERT_EQ(first.code, 0) << first.all();
  EXPECT_EQ(first.outputs.at("outcome"), "applied");
  EXPECT_EQ(rules(), (Rules{"ACCEPT 443 web [shop]", "ACCEPT 22 [shop]", "DROP 25 by hand"}));
  const Json whole = cluster.data("GET", rules_path);
  const Json& ssh = (*whole.as_array())[1];
  EXPECT_EQ(ssh.text_of("source"), "10.0.0.0/8");
  EXPECT_EQ(ssh.text_of("type"), "in");
  EXPECT_EQ(ssh.text_of("log"), "info");
  EXPECT_EQ(*ssh.find("enable")->as_int(), 1);
  const Json before = cluster.state();
  const auto again = apply(two);
  EXPECT_EQ(again.outputs.at("outcome"), "unchanged") << again.all();
  EXPECT_EQ(cluster.state().dump(), before.dump());
  // Another owner's are foreign, too.
  ASSERT_EQ(apply("- {action: DROP, comment: last}\n", {}, "other").code, 0);
  const auto changed = apply("[{\"action\": \"ACCEPT\", \"dport\": \"8443\", \"proto\": \"tcp\"}]");
  ASSERT_EQ(changed.code, 0) << changed.all();
  EXPECT_EQ(rules(), (Rules{"ACCEPT 8443 [shop]", "DROP  last [other]", "DROP 25 by hand"}));
  const auto none = apply("[]");
  ASSERT_EQ(none.code, 0) << none.all();
  EXPECT_EQ(rules(), (Rules{"DROP  last [other]", "DROP 25 by hand"}));
}

TEST_F(ProxmoxFirewall, ADryRunShowsWhatWouldChange) {
  ASSERT_EQ(apply(two).code, 0);
  const Json before = cluster.state();
  const auto planned = apply("- {action: REJECT, comment: closed}\n", {"--dry-run"});
  EXPECT_EQ(planned.code, 0) << planned.all();
  EXPECT_EQ(planned.outputs.at("outcome"), "planned");
  EXPECT_NE(planned.out.find("in REJECT (closed [shop])"), std::string::npos) << planned.out;
  EXPECT_NE(planned.summary.find("in ACCEPT tcp 443"), std::string::npos);
  EXPECT_EQ(cluster.state().dump(), before.dump());
}

TEST_F(ProxmoxFirewall, SaysWhereRulesDoNothing) {
  const auto done = apply(two);
  EXPECT_EQ(done.code, 0) << done.all();
  for (const char* what : {"net0 of guest 100 (legacy on pve1) has no firewall=1",
                           "the firewall of guest 100 (legacy on pve1) is off",
                           "the firewall of the cluster is off"}) {
    EXPECT_NE(done.all().find(what), std::string::npos) << what << done.all();
  }
}

// Each write in turn: refused, dropped before anybody saw it, done and nobody heard of it.
TEST_F(ProxmoxFirewall, EachWriteThatFailsIsTakenBackOrMadeUpFor) {
  add_foreign();
  ASSERT_EQ(apply(two).code, 0);
  const Json before = cluster.state();
  const std::string other =
      "- {action: ACCEPT, dport: 80, proto: tcp}\n"
      "- {action: ACCEPT, dport: 81, proto: tcp}\n";
  for (const char* kind : {"request-fails", "request-dropped", "request-lost"}) {
    for (const char* write : {"POST *firewall/rules", "DELETE *firewall/rules/*"}) {
      for (int nth = 1; nth <= 2; ++nth) {  // the second removal has a first one to take back
        const std::string what = std::string(kind) + " " + write + " " + std::to_string(nth);
        cluster.fault(R"({"kind": ")" + std::string(kind) + R"(", "request": ")" + write +
                      R"(", "nth": )" + std::to_string(nth) + "}");
        const auto done = apply(other);
        cluster.no_faults();
        if (done.code == 0) {
          EXPECT_NE(std::string(kind), "request-fails") << what;
          EXPECT_EQ(rules(), (Rules{"ACCEPT 80 [shop]", "ACCEPT 81 [shop]", "DROP 25 by hand"}))
              << what;
          ASSERT_EQ(apply(two).code, 0);
        } else {
          EXPECT_TRUE(done.code == 3 || (done.code == 1 && nth == 1)) << what << done.all();
        }
        EXPECT_EQ(cluster.state().dump(), before.dump()) << what << done.all();
      }
    }
  }
}

TEST_F(ProxmoxFirewall, BadRulesAreAllToldTogetherAndNothingIsAsked) {
  const std::size_t asked = cluster.requests().size();
  const auto done = apply(
      "- {dport: 443}\n- {action: ACCEPT, dports: 443, enable: maybe}\n- x\n"
      "- {action: ACCEPT, type: inward}\n");
  EXPECT_EQ(done.code, 2) << done.all();
  for (const char* what : {"line 1: a rule has no action", "line 2: a rule has no \"dports\"",
                           "Did you mean dport?", "line 2: enable is neither true nor false",
                           "line 3: is no rule", "line 4: there is no type \"inward\""}) {
    EXPECT_NE(done.all().find(what), std::string::npos) << what << done.all();
  }
  for (const char* rules : {"action: ACCEPT\n", "- {action: [x]}\n", "- {action: a b}\n", "{"}) {
    EXPECT_EQ(apply(rules).code, 2) << rules;
  }
  EXPECT_EQ(apply(two, {}, "A B").code, 2);
  EXPECT_EQ(cluster.requests().size(), asked);
}

TEST_F(ProxmoxFirewall, ABackupIsWaitedForAndNamed) {
  ProxmoxStep root(cluster, SandboxProxmox::root_token);
  const auto first = root.run("backup", {"legacy", "--storage", "local", "--notes", "before\n2.0"});
  ASSERT_EQ(first.code, 0) << first.all();
  EXPECT_TRUE(first.outputs.at("volid").starts_with("local:backup/vzdump-qemu-100-"))
      << first.outputs.at("volid");
  const auto kept = root.run("backup", {"legacy", "--storage", "local", "--keep", "1"});
  EXPECT_EQ(kept.code, 0) << kept.all();
  const auto elsewhere = root.run("backup", {"legacy", "--storage", "local-zfs"});
  EXPECT_EQ(elsewhere.code, 1) << elsewhere.all();
  // To prune takes a right on the storage that a deploy has no need of.
  const auto no_right = step.run("backup", {"legacy", "--storage", "local", "--keep", "1"});
  EXPECT_EQ(no_right.code, 5) << no_right.all();
  EXPECT_EQ(root.run("backup", {"legacy", "--storage", "local", "--keep", "1", "--protect"}).code,
            2);
}

TEST_F(ProxmoxFirewall, ACancelStopsABackup) {
  cluster.fault(R"({"kind": "task-hangs", "task": "vzdump", "nth": 1})");
  ProxmoxStep root(cluster, SandboxProxmox::root_token);
  Process process = root.start("backup", {"legacy", "--storage", "local"});
  const auto is_locked = [&] {
    return cluster.guest_state(100).find("config")->text_of("lock") == "backup";
  };
  ASSERT_TRUE(comes_true(is_locked)) << process.out();
  process.interrupt();
  const auto done = root.result_of(process);
  EXPECT_EQ(done.code, 130) << done.all();
  EXPECT_TRUE(comes_true([&] { return !is_locked(); }));
}

}  // namespace
}  // namespace pca::test
