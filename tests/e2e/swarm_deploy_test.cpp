// swarm-deploy on a real swarm of three nodes.

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/comes_true.hpp"
#include "support/swarm_test.hpp"

namespace pca {
namespace {

using namespace test;

class SwarmDeploy : public SwarmTest {};

TEST_F(SwarmDeploy, DeploysThenChangesNothing) {
  const std::string files = service("web", serve, "      replicas: 3\n") + service("db", serve) +
                            service("every", serve, "      mode: global\n");
  const auto first = deploy(files);
  ASSERT_EQ(first.code, 0) << first.out << first.err;
  EXPECT_EQ(first.outputs.at("outcome"), "deployed");
  EXPECT_EQ(first.outputs.at("created"), "3");
  EXPECT_NE(first.out.find(named("web") + ": 3 of 3 tasks run"), std::string::npos) << first.out;
  EXPECT_NE(first.summary.find("db | create | app:v1 |"), std::string::npos) << first.summary;

  const auto before = services();
  const auto second = deploy(files);
  EXPECT_EQ(second.code, 0) << second.out << second.err;
  EXPECT_EQ(second.outputs.at("outcome"), "unchanged");
  EXPECT_EQ(second.outputs.at("changed"), "0");
  for (const auto& [name, one] : services()) EXPECT_EQ(one.dump(), before.at(name).dump()) << name;
}

TEST_F(SwarmDeploy, PlanShowsAndWritesNothing) {
  step_->write("services:\n" + service("web", serve));
  const auto planned = step_->run("plan", {"--resolve-image", "never", "--exit-code"});
  EXPECT_EQ(planned.code, 8) << planned.out << planned.err;
  EXPECT_NE(planned.out.find("+ service " + named("web")), std::string::npos) << planned.out;
  EXPECT_TRUE(services().empty());
  EXPECT_EQ(objects("networks"), 0U);

  ASSERT_EQ(deploy(service("web", serve)).code, 0);
  const auto again = step_->run("plan", {"--resolve-image", "never", "--exit-code"});
  EXPECT_EQ(again.code, 0) << again.out;
  step_->write("services:\n" + service("web", serve, "      replicas: 2\n",
                                       "    environment: {TOKEN: topsecret}\n"));
  const auto changed = step_->run("plan", {"--resolve-image", "never"});
  EXPECT_EQ(changed.code, 0);
  EXPECT_NE(changed.out.find("Mode.Replicated.Replicas: 1 -> 2"), std::string::npos) << changed.out;
  EXPECT_NE(changed.out.find("variable TOKEN: added"), std::string::npos) << changed.out;
  EXPECT_EQ(changed.out.find("topsecret"), std::string::npos);
}

TEST_F(SwarmDeploy, EventsOfTheEngineMakeItLookAtOnce) {
  const std::string mode = "      mode: global\n";
  const auto first = deploy(service("web", serve, mode), {"--debug"});
  ASSERT_EQ(first.code, 0) << first.out << first.err;
  const std::string heard = "because of an event: ";
  EXPECT_NE(first.err.find(heard + "container " + named("web") + ": start"), std::string::npos)
      << first.err;
  const auto second = deploy(service("web", serve, mode, "    labels: {a: b}\n"), {"--debug"});
  ASSERT_EQ(second.code, 0) << second.out << second.err;
  EXPECT_NE(second.err.find(heard + "service " + named("web") + ": update"), std::string::npos)
      << second.err;
  EXPECT_EQ(second.err.find("No events are heard"), std::string::npos) << second.err;
}

TEST_F(SwarmDeploy, OnlyWhatChangedIsWritten) {
  ASSERT_EQ(deploy(service("web", serve) + service("db", serve)).code, 0);
  const auto before = services();
  const auto done = deploy(service("web", serve, "      replicas: 2\n") + service("db", serve));
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("updated"), "1");
  const auto after = services();
  EXPECT_EQ(after.at(named("db")).dump(), before.at(named("db")).dump());
  EXPECT_NE(after.at(named("web")).dump(), before.at(named("web")).dump());
}

TEST_F(SwarmDeploy, ACrashAtTheFirstDeployIsToldAndTakenBack) {
  const auto done = deploy(service("good", serve) + service("bad", crash));
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("outcome"), "rolled-back");
  EXPECT_EQ(done.outputs.at("failed-service"), named("bad"));
  EXPECT_EQ(done.outputs.at("failure-reason"), "crash");
  EXPECT_NE((done.out + done.err).find("the last words"), std::string::npos)
      << done.out << done.err;
  EXPECT_NE(done.err.find("non-zero exit (3)"), std::string::npos) << done.err;
  EXPECT_TRUE(services().empty());
  EXPECT_TRUE(comes_true([this] { return objects("networks") == 0; }));
}

TEST_F(SwarmDeploy, AFailedChangeTakesTheWholeStackBack) {
  more_yaml = "configs:\n  c: {file: one}\n";
  step_->folder().write("one", "one");
  const std::string with_config = "    configs: [c]\n";
  ASSERT_EQ(deploy(service("web", serve, "", with_config) + service("db", serve)).code, 0);
  const std::string before = picture();
  step_->folder().write("one", "another");
  const auto done = deploy(service("web", serve, "      replicas: 2\n", with_config) +
                           service("db", crash) + service("extra", serve));
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("failed-service"), named("db"));
  EXPECT_EQ(picture(), before);
  EXPECT_NE(done.err.find("The stack is as it was before"), std::string::npos) << done.err;
  // And it runs as before.
  step_->folder().write("one", "one");
  step_->write("services:\n" + service("web", serve, "", with_config) + service("db", serve) +
               more_yaml);
  const auto again = step_->run("plan", {"--resolve-image", "never"});
  EXPECT_NE(again.out.find("= service " + named("web")), std::string::npos) << again.out;
}

TEST_F(SwarmDeploy, OnFailureLeaveLeavesIt) {
  const auto done = deploy(service("bad", crash), {"--on-failure", "leave"});
  EXPECT_EQ(done.code, 1) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("outcome"), "failed");
  EXPECT_EQ(services().size(), 1U);
}

TEST_F(SwarmDeploy, AMissingImageIsTold) {
  const auto done = deploy(service("web", serve, "", "", "absent"));
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("failure-reason"), "image");
  EXPECT_NE(done.err.find("No such image: app:absent"), std::string::npos) << done.err;
}

TEST_F(SwarmDeploy, AnUnschedulableServiceIsTold) {
  const auto done =
      deploy(service("web", serve, "      placement: {constraints: [node.labels.none == x]}\n"));
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("failure-reason"), "unschedulable");
  EXPECT_NE(done.err.find("scheduling constraints not satisfied on 3 nodes"), std::string::npos)
      << done.err;
}

TEST_F(SwarmDeploy, AFailingHealthCheckIsTold) {
  const auto done = deploy(service(
      "web", serve, "",
      "    healthcheck: {test: [CMD, 'false'], interval: 200ms, retries: 1, start_period: 0s}\n"));
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("failure-reason"), "unhealthy");
}

TEST_F(SwarmDeploy, APausedUpdateFails) {
  ASSERT_EQ(deploy(service("web", serve)).code, 0);
  const std::string before = picture();
  const auto done = deploy(service("web", crash), {"--max-task-failures", "50"});
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("failure-reason"), "paused");
  EXPECT_EQ(picture(), before);
}

TEST_F(SwarmDeploy, AnAutomaticRollbackIsAFailure) {
  const std::string rolls_back = "      labels: {a: b}\n";
  std::string files = service("web", serve, rolls_back);
  files.replace(files.find("{monitor: 1s}"), 13, "{monitor: 1s, failure_action: rollback}");
  ASSERT_EQ(deploy(files).code, 0);
  std::string broken = service("web", crash, rolls_back);
  broken.replace(broken.find("{monitor: 1s}"), 13, "{monitor: 1s, failure_action: rollback}");
  const auto done = deploy(broken, {"--max-task-failures", "50"});
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("failure-reason"), "rolled-back");
}

TEST_F(SwarmDeploy, OneShotsAndJobsAreDoneWhenTheyAre) {
  std::string once = service("once", "echo done");
  once.replace(once.find("{delay: 300ms}"), 14, "{condition: none}");
  std::string job = service("job", "echo done", "      mode: replicated-job\n      replicas: 2\n");
  job.replace(job.find("{delay: 300ms}"), 14, "{condition: on-failure}");
  job.erase(job.find("      update_config"),
            std::string("      update_config: {monitor: 1s}\n").size());
  job.erase(job.find("      endpoint_mode: dnsrr\n"),
            std::string("      endpoint_mode: dnsrr\n").size());
  const auto done = deploy(once + job + service("none", serve, "      replicas: 0\n"));
  EXPECT_EQ(done.code, 0) << done.out << done.err;
}

TEST_F(SwarmDeploy, AFailedOneShotFails) {
  std::string once = service("once", crash);
  once.replace(once.find("{delay: 300ms}"), 14, "{condition: none}");
  const auto done = deploy(once);
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("failed-service"), named("once"));
}

TEST_F(SwarmDeploy, ASecretRotatesByItsContent) {
  more_yaml = "secrets:\n  s: {file: secret}\n";
  step_->folder().write("secret", "first value");
  const std::string files = service("web", serve, "", "    secrets: [s]\n");
  ASSERT_EQ(deploy(files).code, 0);
  const std::string before = picture();
  ASSERT_EQ(deploy(files).outputs.at("outcome"), "unchanged");
  step_->folder().write("secret", "second value");
  const auto done = deploy(files);
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("updated"), "1");
  EXPECT_EQ(objects("secrets"), 2U);  // the old one is there for a rollback
  EXPECT_NE(picture(), before);
  EXPECT_EQ((done.out + done.err + done.summary).find("second value"), std::string::npos);
}

TEST_F(SwarmDeploy, PruneRemovesOnlyWhenAskedAndAfterSuccess) {
  ASSERT_EQ(deploy(service("old", serve)).code, 0);
  const auto kept = deploy(service("fresh", serve));
  EXPECT_EQ(kept.code, 0);
  EXPECT_NE(kept.err.find(named("old") + " is not in the files any more and stays"),
            std::string::npos)
      << kept.err;
  EXPECT_EQ(services().size(), 2U);
  EXPECT_EQ(deploy(service("third", crash), {"--prune"}).code, 3);
  EXPECT_EQ(services().size(), 2U);
  const auto pruned = deploy(service("fresh", serve), {"--prune"});
  EXPECT_EQ(pruned.code, 0) << pruned.out << pruned.err;
  EXPECT_EQ(pruned.outputs.at("removed"), "1");
  EXPECT_EQ(services().size(), 1U);
}

TEST_F(SwarmDeploy, PruneRemovesNetworksSecretsAndConfigsThatNothingNeeds) {
  step_->folder().write("secret", "a value");
  more_yaml = "secrets:\n  s: {file: secret, name: " + named("kept") +
              "}\nnetworks:\n  back: {}\n  front: {}\n";
  const std::string web = service("web", serve, "", "    networks: [front]\n");
  ASSERT_EQ(
      deploy(web + service("old", serve, "", "    networks: [back]\n    secrets: [s]\n")).code, 0);
  more_yaml = "networks:\n  front: {}\n";
  ASSERT_EQ(deploy(web + service("new", serve, "", "    networks: [front]\n")).code, 0);
  EXPECT_EQ(objects("networks"), 2U);
  const auto pruned = deploy(web, {"--prune"});
  EXPECT_EQ(pruned.code, 0) << pruned.out << pruned.err;
  EXPECT_EQ(services().size(), 1U);
  EXPECT_EQ(objects("networks"), 1U) << pruned.out << pruned.err;
  // A release that is kept needs the secret, and nobody could make it again.
  EXPECT_EQ(objects("secrets"), 1U);
  EXPECT_NE(pruned.out.find("- network " + named("back")), std::string::npos) << pruned.out;
  const auto back = step_->run("rollback");
  EXPECT_EQ(back.code, 0) << back.out << back.err;
}

TEST_F(SwarmDeploy, ACancelTakesBackWhatWasWritten) {
  ASSERT_EQ(deploy(service("web", serve)).code, 0);
  const std::string before = picture();
  for (const int signal : {SIGINT, SIGTERM}) {
    step_->write("services:\n" +
                 service("web", serve, "      replicas: 2\n      labels: {a: b}\n") +
                 service("extra", serve));
    Process process = step_->start(
        "deploy", {"--resolve-image", "never", "--settle", "60s", "--timeout", "200s"});
    ASSERT_TRUE(process.wait_for(named("extra") + ": ", std::chrono::seconds(30)))
        << process.out() << process.err();
    const auto sent = Clock::now();
    process.send(signal);
    const auto done = step_->result_of(process);
    EXPECT_EQ(done.code, 128 + signal) << done.out << done.err;
    EXPECT_LT(ms_since(sent), 7000);
    EXPECT_EQ(done.outputs.at("outcome"), "rolled-back") << done.err;
    EXPECT_EQ(picture(), before);
  }
}

// What the Engine adds to a spec by itself is no difference.
TEST_F(SwarmDeploy, WhatTheEngineKeepsOfASpecIsNoChange) {
  const std::string cases = std::string(PCA_SOURCE_DIR) + "/tests/conformance/cases/";
  for (const char* name :
       {"deploy-replicated", "deploy-modes", "deploy-zeros", "deploy-empty-blocks", "healthchecks",
        "networks", "network-host", "volumes-long", "tmpfs-mount", "secrets-configs",
        "credential-spec", "ports-short", "ports-long", "container-settings", "capabilities",
        "restart", "differences/oom-score-adj"}) {
    SCOPED_TRACE(name);
    std::ifstream file(cases + name + ".yml");
    ASSERT_TRUE(file.is_open());
    std::ostringstream yaml;
    yaml << file.rdbuf();
    step_->write(yaml.str());
    std::filesystem::create_directories(step_->folder().path("files"));
    for (const char* part : {"files/motd.txt", "files/second.txt"}) {
      step_->folder().write(part, part);
    }
    const auto done = step_->run("deploy", {"--resolve-image", "never", "--wait=false"});
    ASSERT_EQ(done.code, 0) << done.out << done.err;
    const auto again = step_->run("plan", {"--resolve-image", "never", "--exit-code"});
    EXPECT_EQ(again.code, 0) << again.out << again.err;
    TearDown();
  }
}

// What was there needs its time to be well again, and the job is cancelled meanwhile.
TEST_F(SwarmDeploy, ACancelWhileTheOldComesBackLeavesItBack) {
  const std::string slow = service(
      "web", "trap 'exit 0' TERM; sleep 8; echo > /tmp/well; while :; do sleep 0.2; done", "",
      "    healthcheck: {test: [CMD, test, -f, /tmp/well], interval: 300ms, retries: 100}\n");
  ASSERT_EQ(deploy(slow).code, 0);
  const std::string before = picture();
  step_->write("services:\n" + service("web", crash));
  Process process = step_->start("deploy", {"--resolve-image", "never"});
  ASSERT_TRUE(process.wait_for("its old spec is back", std::chrono::seconds(60)));
  process.send(SIGTERM);
  const auto done = step_->result_of(process, std::chrono::seconds(6));  // the runner kills then
  EXPECT_EQ(done.code, 143) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("outcome"), "rolled-back") << done.out;
  EXPECT_EQ(picture(), before);
}

TEST_F(SwarmDeploy, AServiceComesOnceWhatItDependsOnIsWell) {
  constexpr const char* slow =
      "trap 'exit 0' TERM; sleep 2; echo > /tmp/well; while :; do sleep 0.2; done";
  const std::string check =
      "    healthcheck: {test: [CMD, test, -f, /tmp/well], interval: 300ms, retries: 30}\n";
  const std::string files =
      service("web", serve, "", "    depends_on: {db: {condition: service_healthy}}\n") +
      service("db", slow, "", check) + service("last", serve, "", "    x-deploy: {wave: 7}\n");
  const auto done = deploy(files);
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  const auto made = [&](const std::string& name) {
    return services().at(named(name)).text_of("CreatedAt").substr(0, 19);  // to the second
  };
  EXPECT_GT(made("web"), made("db"));
  EXPECT_GE(made("last"), made("web"));
  EXPECT_LT(done.out.find(named("web") + ": 1 of 1 tasks run"), done.out.find(named("last") + ": "))
      << done.out;
  EXPECT_EQ(deploy(files).outputs.at("outcome"), "unchanged");
}

TEST_F(SwarmDeploy, AJobEndsBeforeWhatDependsOnItBegins) {
  const auto files = [](const std::string& command) {
    return fmt::format(
               "  migrate:\n    image: app:v1\n    command: [sh, -c, \"{}\"]\n    deploy:\n"
               "      mode: replicated-job\n      restart_policy: {{condition: none}}\n",
               command) +
           service("web", serve, "", "    depends_on: [migrate]\n");
  };
  const auto refused = deploy(files("exit 4"));
  EXPECT_EQ(refused.code, 3) << refused.out << refused.err;
  EXPECT_EQ(refused.outputs.at("failed-service"), named("migrate"));
  EXPECT_EQ(refused.out.find(named("web") + ": "), std::string::npos) << refused.out;
  EXPECT_TRUE(services().empty());

  const auto done = deploy(files("sleep 1; exit 0"));
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(services().size(), 2U);
}

TEST_F(SwarmDeploy, AModeCannotChangeAndNothingIsWritten) {
  ASSERT_EQ(deploy(service("web", serve)).code, 0);
  const std::string before = picture();
  const auto done = deploy(service("web", serve, "      mode: global\n") + service("extra", serve));
  EXPECT_EQ(done.code, 1) << done.out << done.err;
  EXPECT_NE(done.err.find("the mode of " + named("web") + " cannot become Global from Replicated"),
            std::string::npos)
      << done.err;
  EXPECT_EQ(picture(), before);
}

TEST_F(SwarmDeploy, AWorkerIsNoManager) {
  const SwarmStep worker(swarm_->socket(2), stack());
  worker.write("services:\n" + service("web", serve));
  const auto done = worker.run("deploy", {"--resolve-image", "never"});
  EXPECT_EQ(done.code, 1) << done.out << done.err;
  EXPECT_NE(done.err.find("is no manager of its swarm"), std::string::npos) << done.err;
}

TEST_F(SwarmDeploy, AnImageWithoutDigestStopsBeforeAnyWrite) {
  step_->write("services:\n" + service("web", serve));
  const auto done = step_->run("deploy");
  EXPECT_EQ(done.code, 1) << done.out << done.err;
  EXPECT_NE(done.err.find("the digest of the image app:v1 of " + named("web") + " cannot be had"),
            std::string::npos)
      << done.err;
  EXPECT_TRUE(services().empty());
  EXPECT_EQ(objects("networks"), 0U);
}

}  // namespace
}  // namespace pca
