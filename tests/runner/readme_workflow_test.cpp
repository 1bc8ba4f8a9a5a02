// The README's workflow, as it stands there, run by a runner (workflow.mjs) with the real composite
// action against a real sshd, through the sandbox's edge. All that is put in is the user's name,
// because the machine need not have a "deploy". The runner reaches the edge as one in a closed
// network would: HTTPS_PROXY leads there, SSL_CERT_FILE names its authority.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>

#include "base/digest.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/edge.hpp"
#include "support/loopback.hpp"
#include "support/opnsense_stand_in.hpp"
#include "support/process.hpp"
#include "support/require.hpp"
#include "support/sshd.hpp"
#include "support/temp_folder.hpp"
#include "support/unifi_stand_in.hpp"
#include "support/workflow_runner.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using pca::testing::SandboxEdge;

const fs::path source_dir = PCA_SOURCE_DIR;
const std::string action_repository = "private-cloud-actions/private-cloud-actions";

std::string contents(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

// The blocks of a document in one language, without their fences.
std::vector<std::string> blocks_of(const std::string& text, const std::string& language) {
  const std::string fence = "```" + language + "\n";
  std::vector<std::string> blocks;
  for (std::size_t from = text.find(fence); from != std::string::npos;
       from = text.find(fence, from)) {
    from += fence.size();
    blocks.push_back(text.substr(from, text.find("```", from) - from));
  }
  return blocks;
}

std::vector<std::string> yaml_blocks(const std::string& text) { return blocks_of(text, "yaml"); }
std::string json_block(const std::string& text) { return blocks_of(text, "json").at(0); }

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) {
    ADD_FAILURE() << "the README's workflow has no " << from;
    return text;
  }
  return text.replace(at, from.size(), to);
}

// What the runner reported of a run of the workflow.
struct JobRun {
  int code = -1;
  std::string log;
  Json report{};

  // The workflow's only one; of a matrix it has the values behind its name.
  [[nodiscard]] const Json& job() const {
    static const Json none;
    const auto* jobs = at(report, "jobs").as_object();
    return jobs == nullptr || jobs->empty() ? none : jobs->front().second;
  }
  [[nodiscard]] std::string result() const { return text(job(), "result"); }
  [[nodiscard]] std::string summary() const { return text(job(), "summary"); }
  // Of the last of the workflow's own steps that gives it; those of its action come behind it.
  [[nodiscard]] std::string output(const std::string& name) const {
    std::string value;
    const auto* steps = at(job(), "steps").as_array();
    if (steps == nullptr) return value;
    for (const Json& step : *steps) {
      const auto* depth = at(step, "depth").as_int();
      const std::string given = text(at(step, "outputs"), name);
      if (depth != nullptr && *depth == 0 && !given.empty()) value = given;
    }
    return value;
  }
  // "level: message" of each.
  [[nodiscard]] std::vector<std::string> annotations() const {
    std::vector<std::string> all;
    if (const auto* list = at(job(), "annotations").as_array()) {
      for (const Json& each : *list)
        all.push_back(text(each, "level") + ": " + text(each, "message"));
    }
    return all;
  }
  // Names of what the runner had to end after the job.
  [[nodiscard]] std::vector<std::string> orphans() const {
    std::vector<std::string> all;
    if (const auto* list = at(job(), "orphans").as_array()) {
      for (const Json& each : *list) all.push_back(*each.as_string());
    }
    return all;
  }

 private:
  static const Json& at(const Json& json, const std::string& key) {
    static const Json none;
    const Json* found = json.find(key);
    return found == nullptr ? none : *found;
  }
  static std::string text(const Json& json, const std::string& key) {
    const std::string* value = at(json, key).as_string();
    return value == nullptr ? "" : *value;
  }
};

// A VM with an app that is deployed by git, an edge in front of it, and a runner with the actions
// of a release.
class ReadmeWorkflow : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    PCA_REQUIRE(runner_packages().missing);
    make_host();
    make_app();
    make_release();
    edge_ = std::make_unique<SandboxEdge>(
        std::vector<std::string>{"--origin", "127.0.0.1:" + std::to_string(sshd_->port()), "--name",
                                 "vm1.example.com", "--client-id", SandboxEdge::client_id,
                                 "--proxy"},
        ProcessEnvironment{{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret}});
    secrets_ = {{"ACCESS_CLIENT_ID", SandboxEdge::client_id},
                {"ACCESS_CLIENT_SECRET", SandboxEdge::client_secret},
                {"DEPLOY_KEY", key_.private_text}};
  }

  void make_host() {
    key_ = make_key(folder_, "key", {"-t", "ed25519"});
    fs::create_directories(home_.path("bin"));
    SshdSettings settings;
    settings.host_keys = {"ed25519"};
    settings.authorized_keys = key_.public_line + "\n";
    settings.config = "SetEnv HOME=" + home_.path() + " PATH=" + home_.path("bin") +
                      ":/usr/local/bin:/usr/bin:/bin\n";
    sshd_ = std::make_unique<Sshd>(settings);
    known_hosts_ = replaced(sshd_->known_hosts(), "[127.0.0.1]:" + std::to_string(sshd_->port()),
                            "vm1.example.com");
    // No systemd in a test's container: this one writes down what it was asked for.
    script_on_host("systemctl",
                   "echo \"$*\" >>~/systemctl.log\n"
                   "case $* in *status*) echo 'app.service - active (running)' ;; esac\n");
  }

  void script_on_host(const std::string& name, const std::string& text) {
    const std::string file = home_.write("bin/" + name, "#!/bin/sh\n" + text);
    fs::permissions(file, fs::perms::owner_all);
  }

  // ~/app is a clone that is one commit behind.
  void make_app() {
    const std::string origin = folder_.path("origin.git");
    const std::string work = folder_.path("work");
    git({"init", "-q", "--bare", "-b", "main", origin});
    git({"init", "-q", "-b", "main", work});
    commit(work, "first");
    git({"-C", work, "push", "-q", origin, "main"});
    git({"clone", "-q", origin, home_.path("app")});
    commit(work, "second");
    git({"-C", work, "push", "-q", origin, "main"});
  }

  void commit(const std::string& where, const std::string& version) {
    std::ofstream(where + "/version") << version << "\n";
    git({"-C", where, "add", "version"});
    git({"-C", where, "commit", "-q", "-m", version});
  }

  void git(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "git");
    ProcessSpec spec;
    spec.argv = std::move(arguments);
    for (const char* role : {"AUTHOR", "COMMITTER"}) {
      spec.environment[std::string("GIT_") + role + "_NAME"] = "tester";
      spec.environment[std::string("GIT_") + role + "_EMAIL"] = "tester@example.com";
    }
    spec.environment["HOME"] = folder_.path();
    const Finished done = run_process(spec, 60s);
    ASSERT_EQ(done.code, 0) << done.err;
  }

  // The actions with the checksums of a release, and its executable in the runner's tool cache.
  void make_release() {
    fs::create_directories(folder_.path("release"));
    fs::copy(source_dir / "actions", folder_.path("release/actions"), fs::copy_options::recursive);
    fs::copy(source_dir / "VERSION", folder_.path("release/VERSION"));
    const std::string version(trim(contents(source_dir / "VERSION")));
    for (const char* arch : {"x64", "arm64"}) {
      const fs::path cache =
          fs::path(folder_.path("tools")) / "private-cloud-actions" / version / arch;
      fs::create_directories(cache);
      fs::copy(PCA_TUNNEL_SSH, cache / "tunnel-ssh");
      std::ofstream(folder_.path("release/actions/checksums.txt"), std::ios::app)
          << to_hex(sha256(contents(PCA_TUNNEL_SSH))) << "  tunnel-ssh-linux-" << arch << "\n";
    }
  }

  std::string workflow() {
    const std::vector<std::string> blocks = yaml_blocks(contents(source_dir / "README.md"));
    if (blocks.empty()) ADD_FAILURE() << "the README has no workflow";
    return blocks.empty() ? "" : replaced(blocks.front(), "deploy@", sshd_->user() + "@");
  }

  ProcessSpec runner_of(const std::string& workflow) {
    Json settings;
    settings.set("workflow", folder_.write("workflow.yml", workflow));
    for (const char* name : {"workspace", "temp"}) {
      fs::create_directories(folder_.path(name));
      settings.set(name, folder_.path(name));
    }
    settings.set("tool_cache", folder_.path("tools"));
    settings.set("report", folder_.path("report.json"));
    settings.set("actions", Json().set(action_repository, folder_.path("release")));
    Json secrets;
    for (const auto& [name, value] : secrets_) secrets.set(name, value);
    settings.set("secrets", secrets);
    Json vars;
    vars.set("KNOWN_HOSTS", known_hosts_);
    for (const auto& [name, value] : vars_) vars.set(name, value);
    settings.set("vars", vars);

    ProcessSpec spec;
    spec.argv = {"node", (source_dir / "tests/runner/main.mjs").string()};
    spec.environment["PCA_NPM"] = runner_packages().folder;
    spec.environment["HTTPS_PROXY"] = "http://127.0.0.1:" + std::to_string(edge_->proxy_port());
    spec.environment["SSL_CERT_FILE"] = edge_->ca_file();
    spec.input = settings.dump();
    return spec;
  }

  JobRun run_job() { return run_job_of(workflow()); }

  JobRun run_job_of(const std::string& workflow) {
    const Finished done = run_process(runner_of(workflow), 120s);
    return run_of(done.code, done.out + done.err);
  }

  JobRun run_of(int code, const std::string& log) {
    JobRun run{.code = code, .log = log};
    auto report = parse_json(folder_.read("report.json"));
    if (report) {
      run.report = std::move(*report);
    } else {
      ADD_FAILURE() << report.error().message << "\n" << log;
    }
    return run;
  }

  TempFolder folder_;
  TempFolder home_;
  KeyPair key_;
  std::unique_ptr<Sshd> sshd_;
  std::unique_ptr<SandboxEdge> edge_;
  std::string known_hosts_;
  std::map<std::string, std::string> secrets_;
  std::map<std::string, std::string> vars_;  // and KNOWN_HOSTS
};

TEST_F(ReadmeWorkflow, Deploys) {
  const JobRun run = run_job();
  EXPECT_EQ(run.code, 0) << run.log;
  EXPECT_EQ(run.result(), "success");
  EXPECT_EQ(home_.read("app/version"), "second\n");
  EXPECT_EQ(home_.read("systemctl.log"), "--user restart app\n--user --no-pager status app\n");
  EXPECT_NE(run.log.find("app.service - active (running)"), std::string::npos) << run.log;
  EXPECT_NE(run.log.find("(tool-cache)"), std::string::npos) << run.log;
  EXPECT_EQ(run.annotations(), std::vector<std::string>{});
  EXPECT_EQ(edge_->wait_for_records(1).size(), 1U);
}

TEST_F(ReadmeWorkflow, GivesOutputsAndASummary) {
  const JobRun run = run_job();
  EXPECT_EQ(run.output("outcome"), "succeeded");
  EXPECT_EQ(run.output("exit-code"), "0");
  EXPECT_NE(run.output("stdout").find("app.service - active (running)\n"), std::string::npos);
  EXPECT_EQ(run.output("failed-hosts"), "");
  EXPECT_NE(run.summary().find("vm1.example.com"), std::string::npos) << run.summary();
  EXPECT_NE(run.summary().find("succeeded"), std::string::npos) << run.summary();
}

TEST_F(ReadmeWorkflow, ShowsNoSecretAlsoWhenTheHostPrintsThem) {
  script_on_host("systemctl", "echo 'the token is " + std::string(SandboxEdge::client_secret) +
                                  "'\ncat ~/leaked-key\n");
  home_.write("leaked-key", key_.private_text);
  const JobRun run = run_job();
  EXPECT_EQ(run.result(), "success") << run.log;
  EXPECT_NE(run.log.find("the token is ***"), std::string::npos) << run.log;
  const std::string all = run.log + run.report.dump();
  EXPECT_EQ(all.find(SandboxEdge::client_secret), std::string::npos);
  for (const std::string& line : split_lines(key_.private_text)) {
    if (line.empty() || line.starts_with("-----")) continue;
    EXPECT_EQ(all.find(line), std::string::npos) << "a line of the key";
  }
}

TEST_F(ReadmeWorkflow, StopsAtTheFirstLineThatFails) {
  git({"-C", home_.path("app"), "reset", "-q", "--hard"});
  commit(home_.path("app"), "by hand");  // so that --ff-only refuses
  const JobRun run = run_job();
  EXPECT_EQ(run.code, 1);
  EXPECT_EQ(run.result(), "failure");
  EXPECT_EQ(run.output("outcome"), "failed");
  EXPECT_EQ(run.output("exit-code"), "128");  // git's own
  EXPECT_EQ(home_.read("systemctl.log"), "");
  ASSERT_EQ(run.annotations().size(), 1U) << run.log;
  EXPECT_TRUE(run.annotations()[0].starts_with("error: ")) << run.annotations()[0];
}

TEST_F(ReadmeWorkflow, ARefusedTokenIsOneErrorThatSaysWhatToDo) {
  secrets_["ACCESS_CLIENT_SECRET"] = "expired-last-week-0000";
  const JobRun run = run_job();
  EXPECT_EQ(run.result(), "failure");
  EXPECT_NE(run.log.find("Process completed with exit code 5."), std::string::npos) << run.log;
  ASSERT_EQ(run.annotations().size(), 1U) << run.log;
  EXPECT_NE(run.annotations()[0].find("Service Auth"), std::string::npos) << run.annotations()[0];
  EXPECT_EQ(home_.read("systemctl.log"), "");
  EXPECT_EQ(sshd_->log().find("Accepted publickey"), std::string::npos);
}

TEST_F(ReadmeWorkflow, ACancelledRunEndsWhatRunsOnTheHost) {
  script_on_host("systemctl", "echo $$ >~/pid\necho 'it runs'\nexec sleep 600\n");
  Process runner(runner_of(workflow()));
  ASSERT_TRUE(runner.wait_for("it runs", 60s)) << runner.out() << runner.err();
  runner.interrupt();
  const auto code = runner.wait(20s);
  ASSERT_TRUE(code);
  const JobRun run = run_of(*code, runner.out());
  EXPECT_EQ(run.result(), "cancelled") << run.log;
  EXPECT_EQ(run.output("outcome"), "cancelled");
  EXPECT_TRUE(ends(std::stoi(home_.read("pid"))));
  EXPECT_NE(run.log.find("exit code 130"), std::string::npos) << run.log;
}

// The templates and examples of recipes, with stand-ins on the host for what no test can have.
class ReadmeRecipe : public ReadmeWorkflow {
 protected:
  void stand_in(const std::string& command) {
    script_on_host(command, contents(source_dir / "tests/stand_ins" / command));
  }
  [[nodiscard]] std::string on_this_host(const std::string& workflow,
                                         const std::string& host) const {
    return replaced(workflow, "host: " + host, "host: " + sshd_->user() + "@vm1.example.com");
  }
  // A workflow of the steps in the action's README; its host is this test's.
  std::string example_of(const std::string& action, const std::string& host) {
    const auto steps = yaml_blocks(contents(source_dir / "actions" / action / "README.md"));
    std::string workflow = "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n";
    for (const std::string& line : split_lines(steps.at(0))) workflow += "      " + line + "\n";
    return on_this_host(workflow, host);
  }
  // A template, whose steps are those of its action's README (tests/lint sees to it).
  std::string template_of(const std::string& name, const std::string& host) {
    const std::string file = name + ".yml";
    return on_this_host(replaced(contents(source_dir / ".github/workflow-templates" / file),
                                 "$default-branch", "main"),
                        host);
  }
  // The example with the README's JSON as its file, which it would check out, and with a server of
  // this test's in place of the one that it names.
  JobRun run_api_example(const std::string& action, const std::string& workflow,
                         const std::string& file, const std::string& example_url,
                         const std::string& url) {
    const std::string readme = contents(source_dir / "actions" / action / "README.md");
    fs::create_directories(fs::path(folder_.path("workspace/" + file)).parent_path());
    folder_.write("workspace/" + file, json_block(readme));
    return run_job_of(replaced(template_of(workflow, "deploy@admin1.example.com"),
                               "url: " + example_url,
                               "url: " + url + "\n          address: 127.0.0.1"));
  }
};

TEST_F(ReadmeRecipe, CephApplyAppliesASpecification) {
  stand_in("ceph");
  fs::create_directories(home_.path("cluster"));
  home_.write("cluster/health", "HEALTH_OK\n");
  fs::create_directories(folder_.path("workspace/ceph"));
  const std::string spec = "service_type: mds\nservice_id: files\n";
  folder_.write("workspace/ceph/services.yaml", spec);
  const JobRun run = run_job_of(template_of("ceph-services", "root@ceph1.example.com"));
  EXPECT_EQ(run.code, 0) << run.log;
  EXPECT_EQ(run.output("outcome"), "succeeded");
  EXPECT_EQ(home_.read("cluster/applied.yaml"), spec);
  EXPECT_NE(run.log.find("|mds  |mds.files  |node2"), std::string::npos) << run.log;
  EXPECT_EQ(run.annotations(), std::vector<std::string>{});
}

bool takes_connections(int port) {
  const FileDescriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address =
      pca::testing::loopback_address("127.0.0.1", static_cast<std::uint16_t>(port));
  return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// The host's SSH server stands in for its database, and this psql shows what it says first.
TEST_F(ReadmeRecipe, TunnelForwardLastsForTheStepsAndEndsWithTheJob) {
  fs::create_directories(folder_.path("bin"));
  const std::string psql = folder_.write(
      "bin/psql",
      "#!/bin/bash\nexec 3<>\"/dev/tcp/$2/$4\"\nread -r said <&3\necho \"it says $said\"\n");
  fs::permissions(psql, fs::perms::owner_all);
  const std::string workflow =
      replaced(example_of("tunnel-forward", "deploy@db1.example.com"), "0:127.0.0.1:5432",
               "0:127.0.0.1:" + std::to_string(sshd_->port()));
  ProcessSpec spec = runner_of(workflow);
  spec.environment["PATH"] = folder_.path("bin") + ":/usr/local/bin:/usr/bin:/bin";
  const Finished done = run_process(spec, 120s);
  const JobRun run = run_of(done.code, done.out + done.err);
  EXPECT_EQ(run.result(), "success") << run.log;
  EXPECT_NE(run.log.find("it says SSH-2.0-OpenSSH"), std::string::npos) << run.log;
  EXPECT_EQ(run.orphans(), std::vector<std::string>{"tunnel-ssh"}) << run.log;
  ASSERT_NE(run.output("port"), "");
  const int port = std::stoi(run.output("port"));
  EXPECT_TRUE(comes_true([&] { return !takes_connections(port); })) << "it outlives its job";
  EXPECT_EQ(edge_->wait_for_records(1).size(), 1U);  // and the edge has seen its end
}

TEST_F(ReadmeRecipe, GpuNodeDrainsDeploysAndUndrains) {
  stand_in("nvidia-smi");
  stand_in("dmesg");
  fs::create_directories(home_.path("node"));
  home_.write("node/gpus", "8");
  home_.write("node/kernel.log", "");
  fs::create_directories(home_.path("encoder/jobs"));
  script_on_host("update.sh", "ls ~/encoder >~/at-update\n");
  std::string workflow = template_of("gpu-node", "root@${{ matrix.node }}");
  workflow = replaced(workflow, "gpu1.example.com, gpu2.example.com", "gpu1.example.com");
  workflow = replaced(workflow, "/srv/encoder/update.sh", home_.path("bin/update.sh"));
  for (int i = 0; i < 3; ++i) workflow = replaced(workflow, "/run/encoder", home_.path("encoder"));
  const JobRun run = run_job_of(workflow);
  EXPECT_EQ(run.code, 0) << run.log;
  EXPECT_EQ(home_.read("at-update"), "drained\njobs\n");
  EXPECT_FALSE(fs::exists(home_.path("encoder/drained")));
  EXPECT_EQ(split_lines(home_.read("systemctl.log")).at(0), "restart encoder");
}

TEST_F(ReadmeRecipe, TrueNasApplyUpdatesAnApp) {
  stand_in("midclt");
  script_on_host("curl", "exit 0\n");  // the app's health
  fs::create_directories(home_.path("nas"));
  home_.write("nas/state", "RUNNING");
  home_.write("nas/version", "1.0.3");
  home_.write("nas/custom", "false");
  home_.write("nas/config", "{}");
  fs::create_directories(folder_.path("workspace/truenas"));
  folder_.write("workspace/truenas/web.json",
                json_block(contents(source_dir / "actions/truenas-apply/README.md")));
  const JobRun run = run_job_of(template_of("truenas-app", "root@nas1.example.com"));
  EXPECT_EQ(run.code, 0) << run.log;
  EXPECT_EQ(home_.read("nas/config"), "{\"image\": {\"tag\": \"2026.11.2\"}}\n");
  EXPECT_EQ(run.annotations(), std::vector<std::string>{});
}

TEST_F(ReadmeRecipe, OpnsenseApplyChangesARule) {
  script_on_host("curl", "case $* in *intranet*) exit 0 ;; esac\nexec /usr/bin/curl \"$@\"\n");
  OpnsenseStandIn firewall;
  secrets_["OPNSENSE_KEY"] = OpnsenseStandIn::key;
  secrets_["OPNSENSE_SECRET"] = OpnsenseStandIn::secret;
  vars_["FIREWALL_CERTIFICATE"] = firewall.https().certificate();
  const JobRun run = run_api_example("opnsense-apply", "firewall-opnsense", "opnsense/rules.json",
                                     "https://fw1.example.com", firewall.https().url());
  EXPECT_EQ(run.code, 0) << run.log;
  EXPECT_EQ(run.output("outcome"), "deployed");
  ASSERT_EQ(firewall.in_force().size(), 1U);
  EXPECT_EQ(firewall.in_force().begin()->second.at("destination_port"), "443");
  EXPECT_EQ(run.annotations(), std::vector<std::string>{});
}

TEST_F(ReadmeRecipe, GuardedApplyChangesARuleset) {
  script_on_host("nft", "echo \"$*\" >>~/nft.log\n");
  script_on_host("curl", "exit 0\n");
  fs::create_directories(folder_.path("workspace"));
  folder_.write("workspace/nftables.conf", "flush ruleset\n");
  home_.write("nftables.conf", "# the old one\n");
  std::string workflow = template_of("firewall-nftables", "root@fw1.example.com");
  for (int i = 0; i < 3; ++i) {
    workflow = replaced(workflow, "/etc/nftables.conf", home_.path("nftables.conf"));
  }
  const JobRun run = run_job_of(workflow);
  EXPECT_EQ(run.code, 0) << run.log;
  EXPECT_EQ(run.output("outcome"), "deployed");
  EXPECT_EQ(home_.read("nftables.conf"), "flush ruleset\n");
  EXPECT_NE(home_.read("nft.log").find("--file " + home_.path("nftables.conf")), std::string::npos);
  EXPECT_EQ(run.annotations(), std::vector<std::string>{});
}

TEST_F(ReadmeRecipe, UnifiApplyChangesAnObject) {
  script_on_host("getent", "exit 0\n");
  UnifiStandIn console;
  secrets_["UNIFI_API_KEY"] = UnifiStandIn::key;
  vars_["CONSOLE_CERTIFICATE"] = console.https().certificate();
  const JobRun run = run_api_example("unifi-apply", "unifi-console", "unifi/app.json",
                                     "https://unifi.example.com", console.https().url());
  EXPECT_EQ(run.code, 0) << run.log;
  EXPECT_EQ(run.output("outcome"), "succeeded");
  EXPECT_NE(console.policy().find("192.168.1.11"), std::string::npos) << console.policy();
  EXPECT_EQ(run.annotations(), std::vector<std::string>{});
}

}  // namespace
}  // namespace pca::test
