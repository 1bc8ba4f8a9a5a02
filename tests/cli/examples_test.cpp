// Every example in --help is run as it stands there, by the real executable in a real shell. No
// host is reached: all names lead to an edge on loopback where nobody listens, so an example whose
// arguments are good ends there, and one whose arguments are refused ends with 2.

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "base/json.hpp"
#include "support/loopback.hpp"
#include "support/process.hpp"
#include "support/temp_folder.hpp"
#include "support/test_keys.hpp"

namespace pca::test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr int unreachable_code = 6;

void collect(const Json* examples, std::vector<std::string>& commands) {
  ASSERT_NE(examples, nullptr);
  for (const Json& example : *examples->as_array()) {
    commands.push_back(*example.find("command")->as_string());
  }
}

// As the tool itself tells them: its own and those of all its commands.
std::vector<std::string> examples_of(const std::string& tool) {
  ProcessSpec spec;
  spec.argv = {std::string(PCA_BIN "/") + tool, "--help", "--json"};
  const auto help = parse_json(run_process(spec, 60s).out);
  std::vector<std::string> commands;
  if (!help) {
    ADD_FAILURE() << help.error().message;
    return commands;
  }
  collect(help->find("examples"), commands);
  for (const Json& command : *help->find("commands")->as_array()) {
    collect(command.find("examples"), commands);
  }
  return commands;
}

// A home with what the examples name, and an ssh and an rsync that only start what they would.
class Examples : public ::testing::Test {
 protected:
  Examples() {
    fs::create_directories(home_.path(".ssh"));
    fs::create_directories(home_.path("bin"));
    home_.write(".ssh/id_ed25519", ed25519_openssh);
    home_.write(".ssh/known_hosts", "");
    home_.write("deploy.sh", "true\n");
    home_.write("secret.txt", "a secret\n");
    home_.write("token.txt", "a-token\n");
    home_.write("findings.json", "[]");
    home_.write("compass.yml", "id: ari:cloud:compass:2d492f5d:component/b11fd1ac/c27f43a0\n");
    home_.write("nftables.conf", "flush ruleset\n");
    home_.write("app.conf", "colour = blue\n");
    home_.write("shop-1.2.3.qcow2", "a disk");
    home_.write("firewall.yml", "- {action: ACCEPT, proto: tcp, dport: 5432}\n");
    fs::create_directory(home_.path("dist"));
    script("ssh",
           "for word; do case $word in ProxyCommand=*) command=${word#*=};; esac; done\n"
           "exec sh -c \"$(echo \"$command\" | sed 's/%h/web1.example.com/; s/%p/22/')\"\n");
    script("rsync", "[ \"$1\" = -e ] && eval \"exec $2 web1.example.com\"\n");
    for (const char* tool : {"tunnel-ssh", "deploy-policy", "commit-status", "swarm-deploy",
                             "proxmox-deploy", "private-cloud-sandbox"}) {
      fs::create_symlink(fs::path(PCA_BIN) / tool, home_.path(std::string("bin/") + tool));
    }
  }

  void script(const std::string& name, const std::string& text) {
    const std::string path = home_.write("bin/" + name, "#!/bin/sh\n" + text);
    fs::permissions(path, fs::perms::owner_all);
  }

  ProcessSpec spec_of(const std::string& example) {
    ProcessSpec spec;
    spec.argv = {"sh", "-c", example};
    spec.folder = home_.path();
    spec.environment["HOME"] = home_.path();
    spec.environment["RUNNER_TEMP"] = home_.path();
    spec.environment["PATH"] = home_.path("bin") + ":" + spec.environment["PATH"];
    return spec;
  }

  TempFolder home_;
  const pca::testing::ClosedPort edge_;
};

TEST_F(Examples, OfTunnelSshAllGetAsFarAsTheEdge) {
  const std::vector<std::string> examples = examples_of("tunnel-ssh");
  EXPECT_GE(examples.size(), 7U);
  for (const std::string& example : examples) {
    ProcessSpec spec = spec_of(example);
    const bool stays_here = example.find("session close") != std::string::npos ||
                            example.find("session status") != std::string::npos;
    if (stays_here) {
      const Finished done = run_process(spec, 60s);
      EXPECT_EQ(done.code, 0) << example << "\n" << done.out << done.err;
      continue;
    }
    spec.environment["INPUT_VIA"] = "access";  // its address needs no DNS
    spec.environment["INPUT_ACCESS_CONNECT_TO"] = "127.0.0.1:" + std::to_string(edge_.port());
    spec.environment["INPUT_TRIES"] = "1";
    const Finished done = run_process(spec, 60s);
    EXPECT_EQ(done.code, unreachable_code) << example << "\n" << done.out << done.err;
  }
}

TEST_F(Examples, OfDeployPolicyAllAnswer) {
  const std::vector<std::string> examples = examples_of("deploy-policy");
  EXPECT_GE(examples.size(), 10U);
  for (const std::string& example : examples) {
    ProcessSpec spec = spec_of(example);
    spec.environment["GITHUB_EVENT_NAME"] = "push";
    spec.environment["GITHUB_REF"] = "refs/heads/main";
    const Finished done = run_process(spec, 60s);
    EXPECT_EQ(done.code, 0) << example << "\n" << done.out << done.err;
    EXPECT_NE(done.out, "") << example;
  }
}

TEST_F(Examples, OfCommitStatusAllSayWhatTheyWouldSend) {
  const std::vector<std::string> examples = examples_of("commit-status");
  EXPECT_GE(examples.size(), 4U);
  for (const std::string& example : examples) {
    const bool sends_nothing =
        example.starts_with("commit-status wait") || example.starts_with("commit-status summary");
    if (sends_nothing) continue;
    ProcessSpec spec = spec_of(example);
    spec.environment["GITHUB_EVENT_NAME"] = "push";
    spec.environment["GITHUB_REPOSITORY"] = "acme/shop";
    spec.environment["GITHUB_SHA"] = std::string(40, 'a');
    spec.environment["GITHUB_WORKFLOW"] = "Deploy";
    spec.environment["GITHUB_JOB"] = "staging";
    spec.environment["GITHUB_RUN_ID"] = "7";
    spec.environment["GITHUB_SERVER_URL"] = "https://github.com";
    spec.environment["INPUT_DRY_RUN"] = "true";
    const bool is_compass = example.starts_with("commit-status compass");
    if (is_compass && example.find("--compass-token-file") == std::string::npos) {
      spec.environment["INPUT_COMPASS_TOKEN"] = "a-token";
    }
    const Finished done = run_process(spec, 60s);
    EXPECT_EQ(done.code, 0) << example << "\n" << done.out << done.err;
    EXPECT_TRUE(done.out.find(is_compass
                                  ? "would POST https://acme.atlassian.net/gateway/api/compass/"
                                  : "would POST https://api.github.com/repos/acme/shop/") !=
                    std::string::npos ||
                done.out.find("would make the deployments of ") != std::string::npos)
        << example << done.out;
  }
}

TEST_F(Examples, OfProxmoxDeployAllGetAsFarAsTheApi) {
  const std::vector<std::string> examples = examples_of("proxmox-deploy");
  EXPECT_GE(examples.size(), 15U);
  home_.write("token.txt", "ci@pve!deploy=00000000-aaaa-4aaa-8aaa-000000000001\n");
  for (std::string example : examples) {
    for (const auto& [from, to] :
         {std::pair<std::string, std::string>{"pve1.example.com",
                                              "127.0.0.1:" + std::to_string(edge_.port())},
          {"pve2.example.com", "127.0.0.1:1"},
          {" --api-ca pve-root-ca.pem", ""}}) {
      if (const std::size_t at = example.find(from); at != std::string::npos) {
        example.replace(at, from.size(), to);
      }
    }
    ProcessSpec spec = spec_of(example);
    spec.environment["GITHUB_REPOSITORY"] = "acme/shop";
    const Finished done = run_process(spec, 60s);
    // A machine without CA certificates is told so first.
    EXPECT_TRUE(done.code == unreachable_code ||
                done.err.find("no CA certificates") != std::string::npos)
        << example << "\n"
        << done.code << done.out << done.err;
  }
}

TEST_F(Examples, OfTheSandboxAllServe) {
  const std::vector<std::string> examples = examples_of("private-cloud-sandbox");
  EXPECT_GE(examples.size(), 3U);
  for (const std::string& example : examples) {
    Process process(spec_of("exec " + example));
    EXPECT_TRUE(process.wait_for("127.0.0.1:", 60s)) << example << "\n" << process.err();
    process.send(SIGTERM);
    const int code = process.wait(60s).value_or(-1);
    EXPECT_TRUE(code == 0 || code == 128 + SIGTERM) << example << ": " << code;
  }
}

}  // namespace
}  // namespace pca::test
