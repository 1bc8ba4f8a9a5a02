// Stacks of branches on an Engine that only remembers: whose they are, what is written of them, and
// how they go.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>

#include "base/slug.hpp"
#include "net/engine.hpp"
#include "support/disturbed_engine.hpp"
#include "support/swarm_step.hpp"

namespace pca {
namespace {

using namespace test;

constexpr const char* sha_a = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
constexpr const char* sha_b = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
constexpr const char* web =
    "services:\n  web: {image: 'app:v1', networks: [front], secrets: [s], configs: [c], volumes: "
    "['data:/d']}\nnetworks: {front: {}}\nsecrets: {s: {file: content}}\nconfigs: {c: {file: "
    "content}}\nvolumes: {data: {}}\n";

std::string stack_of(const std::string& branch, const std::string& repository = "acme/shop") {
  return "acme-shop-preview-" + *make_slug(repository, branch, 36);
}

class SwarmPreview : public ::testing::Test {
 protected:
  void SetUp() override {
    step.variables["GITHUB_REPOSITORY"] = "acme/shop";
    step.folder().write("content", "x");
  }

  SwarmStep::Result up(const std::string& branch, const std::vector<std::string>& more = {}) {
    step.write(files);
    return step.run("preview up", arguments(branch, more));
  }
  static std::vector<std::string> arguments(const std::string& branch,
                                            const std::vector<std::string>& more) {
    std::vector<std::string> all{"--customer",      "acme",  "--project",   "shop",
                                 "--resolve-image", "never", "--wait=false"};
    all.insert(all.end(), {"--branch", branch});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Process start_up(const SwarmStep& by, const std::string& branch, const std::string& cap) const {
    by.write(files);
    return by.start("preview up", arguments(branch, {"--preview-cap", cap}));
  }
  SwarmStep::Result down(const std::string& branch, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all{"--branch", branch};
    all.insert(all.end(), more.begin(), more.end());
    return step.run("preview down", all);
  }
  // The branches whose services are there.
  [[nodiscard]] std::string live() const {
    std::vector<std::string> branches;
    for (const auto& [name, one] : fake.objects("services"))
      branches.push_back(labels_of(one).text_of("private-cloud-actions.branch"));
    std::sort(branches.begin(), branches.end());
    return join(branches, " ");
  }
  static Json labels_of(const Json& object) {
    const Json* spec = object.find("Spec");
    return *(spec == nullptr ? object : *spec).find("Labels");
  }
  [[nodiscard]] std::string record(const std::string& branch, const std::string& key) const {
    for (const auto& [name, one] : fake.objects("configs")) {
      const Json labels = labels_of(one);
      if (labels.text_of("private-cloud-actions.kind") == "preview" &&
          labels.text_of("private-cloud-actions.branch") == branch)
        return labels.text_of("private-cloud-actions." + key);
    }
    return "no record";
  }
  // Everything of everybody.
  [[nodiscard]] std::size_t things() const {
    std::size_t count = 0;
    for (const char* kind : {"services", "networks", "secrets", "configs"})
      count += fake.objects(kind).size();
    return count;
  }
  void ask(const EngineRequest& request) const {
    const Budget budget = Budget::of(Milliseconds{20'000});
    const auto engine = Engine::connect(budget, *parse_engine_endpoint("unix://" + fake.socket()));
    ASSERT_TRUE(engine);
    const auto answer = (*engine)->ask(budget, request);
    ASSERT_TRUE(answer && answer->is_good());
  }

  std::string files = web;
  FakeEngine fake;
  SwarmStep step{fake.socket(), ""};
};

TEST_F(SwarmPreview, UpSaysOnEverythingWhoseItIs) {
  const auto done = up("feature/x", {"--domain", "preview.example.com", "--route-port", "8080",
                                     "--commit", sha_a, "--preview-ttl", "2d"});
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  const std::string slug = *make_slug("acme/shop", "feature/x");
  const std::string stack = "acme-shop-preview-" + slug;
  EXPECT_EQ(done.outputs.at("outcome"), "deployed");
  EXPECT_EQ(done.outputs.at("stack"), stack);
  EXPECT_EQ(done.outputs.at("preview"), slug);
  EXPECT_EQ(done.outputs.at("hostname"), "shop-" + slug + ".preview.example.com");
  EXPECT_EQ(done.outputs.at("url"), "https://shop-" + slug + ".preview.example.com");
  EXPECT_EQ(done.outputs.at("expires"), record("feature/x", "expires"));
  EXPECT_NE(done.summary.find("url: "), std::string::npos) << done.summary;
  EXPECT_EQ(record("feature/x", "commit"), sha_a);
  EXPECT_EQ(record("feature/x", "repository"), "acme/shop");
  for (const char* kind : {"services", "networks", "secrets", "configs"}) {
    int own = 0;
    for (const auto& [name, one] : fake.objects(kind)) {
      if (!name.starts_with(stack + "_")) continue;  // a record
      ++own;
      const Json labels = labels_of(one);
      EXPECT_EQ(labels.text_of("private-cloud-actions.branch"), "feature/x") << kind;
      EXPECT_EQ(labels.text_of("private-cloud-actions.repository"), "acme/shop") << kind;
      EXPECT_EQ(labels.text_of("private-cloud-actions.preview"), slug) << kind;
    }
    EXPECT_EQ(own, 1) << kind;
  }
  const Json service = fake.objects("services").at(stack + "_web");
  const Json labels = labels_of(service);
  EXPECT_EQ(labels.text_of("traefik.enable"), "true");
  EXPECT_EQ(labels.text_of("traefik.http.routers." + stack + ".rule"),
            "Host(`shop-" + slug + ".preview.example.com`)");
  EXPECT_EQ(labels.text_of("traefik.http.services." + stack + ".loadbalancer.server.port"), "8080");
  EXPECT_NE(service.dump().find("\"Source\":\"" + stack +
                                "_data\",\"Target\":\"/d\",\"VolumeOptions\":{\"Labels\":{\"com."
                                "docker.stack.namespace\":\"" +
                                stack + "\",\"private-cloud-actions.preview\":\"" + slug + "\""),
            std::string::npos)
      << service.dump();
}

// A service that is written forgets what it could be rolled back to.
TEST_F(SwarmPreview, AnotherCommitOfTheSameCodeWritesOnlyTheRecord) {
  ASSERT_EQ(up("feature/x", {"--commit", sha_a}).code, 0);
  const std::string before = record("feature/x", "expires");
  const std::size_t writes = fake.writes().size();
  const auto again = up("feature/x", {"--commit", sha_b, "--preview-ttl", "9d"});
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_EQ(again.outputs.at("outcome"), "unchanged");
  const auto all = fake.writes();
  ASSERT_EQ(all.size(), writes + 1);
  EXPECT_EQ(all.back().path, "/configs/configs-" + stack_of("feature/x") + ".preview/update");
  EXPECT_EQ(record("feature/x", "commit"), sha_b);
  EXPECT_GT(record("feature/x", "expires"), before);
  EXPECT_EQ(again.outputs.at("expires"), record("feature/x", "expires"));
}

TEST_F(SwarmPreview, ARollbackGoesBackToTheCommitAsWell) {
  ASSERT_EQ(up("feature/x", {"--commit", sha_a}).code, 0);
  files = "services: {web: {image: 'app:v2'}}\n";
  ASSERT_EQ(up("feature/x", {"--commit", sha_b, "--prune"}).code, 0);
  const std::string expires = record("feature/x", "expires");
  EXPECT_EQ(record("feature/x", "commit"), sha_b);
  const SwarmStep stack(fake.socket(), stack_of("feature/x"));
  const auto back = stack.run("rollback", {"--wait=false"});
  ASSERT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(record("feature/x", "commit"), sha_a);
  EXPECT_EQ(record("feature/x", "expires"), expires);
  EXPECT_EQ(live(), "feature/x");
}

TEST_F(SwarmPreview, TheFilesMayNameTheHostnameThemselves) {
  files =
      "services:\n  api: {image: app}\n  web:\n    image: app\n    deploy:\n      labels:\n"
      "        - traefik.http.routers.${PREVIEW_STACK:-shop}.rule=Host(`${PREVIEW_HOSTNAME:-x}`)\n";
  const auto done = up("feature/x", {"--hostname", "{slug}.example.com"});
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  const Json labels = labels_of(fake.objects("services").at(stack_of("feature/x") + "_web"));
  EXPECT_EQ(labels.text_of("traefik.http.routers." + stack_of("feature/x") + ".rule"),
            "Host(`" + done.outputs.at("hostname") + "`)");
  EXPECT_EQ(labels.find("traefik.enable"), nullptr);
}

TEST_F(SwarmPreview, AStackOfAnotherBranchIsRefused) {
  const std::string stack = stack_of("feature/x");
  ask({.method = "POST",
       .path = "/configs/create",
       .body = fmt::format(
           R"({{"Name":"{0}.preview","Data":"e30=","Labels":{{"private-cloud-actions.stack":"{0}",)"
           R"("private-cloud-actions.kind":"preview","private-cloud-actions.slug":"{1}",)"
           R"("private-cloud-actions.branch":"feature-x",)"
           R"("private-cloud-actions.repository":"acme/shop"}}}})",
           stack, *make_slug("acme/shop", "feature/x"))});
  const auto refused = up("feature/x");
  EXPECT_EQ(refused.code, 7) << refused.out << refused.err;
  EXPECT_NE(refused.err.find("it is the preview of branch \"feature-x\" of acme/shop"),
            std::string::npos)
      << refused.err;
  const auto stays = down("feature/x", {"--stack", stack});
  EXPECT_EQ(stays.code, 7) << stays.out << stays.err;
  EXPECT_EQ(things(), 1U);
}

// Also when nothing but the labels of its services is left to say so.
TEST_F(SwarmPreview, TheLabelsOfServicesSayWhoseItIsAsWell) {
  ASSERT_EQ(up("feature/x").code, 0);
  const std::string stack = stack_of("feature/x");
  ask({.method = "DELETE", .path = "/configs/" + stack + ".preview"});
  step.variables["GITHUB_REPOSITORY"] = "acme/other";
  const auto stays = down("feature/x", {"--stack", stack});
  EXPECT_EQ(stays.code, 7) << stays.out << stays.err;
  step.variables["GITHUB_REPOSITORY"] = "acme/shop";
  EXPECT_EQ(up("feature/x").code, 0);
  EXPECT_EQ(record("feature/x", "repository"), "acme/shop");
  ask({.method = "DELETE", .path = "/configs/" + stack + ".preview"});
  EXPECT_EQ(down("feature/x").outputs.at("removed"), "1");
  EXPECT_EQ(things(), 0U);
}

TEST_F(SwarmPreview, AStackThatIsNoPreviewIsNotTouched) {
  const std::string stack = stack_of("feature/x");
  const SwarmStep other(fake.socket(), stack);
  other.write("services: {web: {image: app}}\n");
  const std::vector<std::string> usual{"--resolve-image", "never", "--wait=false"};
  ASSERT_EQ(other.run("deploy", usual).code, 0);
  const std::size_t writes = fake.writes().size();
  const auto refused = up("feature/x");
  EXPECT_EQ(refused.code, 7) << refused.out << refused.err;
  EXPECT_NE(refused.err.find("a stack of this name is there, and is no preview"), std::string::npos)
      << refused.err;
  const auto stays = down("feature/x", {"--stack", stack});
  EXPECT_EQ(stays.code, 7) << stays.out << stays.err;
  EXPECT_EQ(down("feature/x").code, 0);
  EXPECT_EQ(fake.writes().size(), writes);
  // Nor is a preview by what deploys other stacks.
  ASSERT_EQ(other.run("rm").code, 0);
  ASSERT_EQ(up("feature/x").code, 0);
  const auto plain = other.run("deploy", usual);
  EXPECT_EQ(plain.code, 7) << plain.out << plain.err;
  EXPECT_NE(plain.err.find("swarm-deploy preview up"), std::string::npos) << plain.err;
  EXPECT_EQ(live(), "feature/x");
}

// The record may be lost; what the services say is as good.
TEST_F(SwarmPreview, APlainDeployToServicesOfAPreviewIsRefused) {
  ASSERT_EQ(up("feature/x").code, 0);
  const std::string stack = stack_of("feature/x");
  ask({.method = "DELETE", .path = "/configs/" + stack + ".preview"});
  const std::string before = fake.objects("services").begin()->second.dump();
  const std::size_t writes = fake.writes().size();
  const SwarmStep other(fake.socket(), stack);
  other.write("services: {web: {image: 'app:v2'}, more: {image: app}}\n");
  const auto refused = other.run("deploy", {"--resolve-image", "never", "--wait=false"});
  EXPECT_EQ(refused.code, 7) << refused.out << refused.err;
  EXPECT_NE(refused.err.find(stack + ": it is the preview of branch \"feature/x\" of acme/shop"),
            std::string::npos)
      << refused.err;
  EXPECT_NE(refused.err.find("swarm-deploy preview up"), std::string::npos) << refused.err;
  EXPECT_EQ(fake.writes().size(), writes);
  EXPECT_EQ(fake.objects("services").begin()->second.dump(), before);
}

TEST_F(SwarmPreview, APortThatAnotherPreviewHasIsRefusedBeforeAnyWrite) {
  files = "services: {web: {image: app, ports: ['8080:80', '53:53/udp']}}\n";
  ASSERT_EQ(up("feature/x").code, 0);
  const std::size_t writes = fake.writes().size();
  const auto refused = up("feature/y");
  EXPECT_EQ(refused.code, 1) << refused.out << refused.err;
  for (const char* port : {"8080/tcp", "53/udp"}) {
    EXPECT_NE(refused.err.find(fmt::format("the port {} of {}_web is published by the service "
                                           "{}_web already: publish the container's port alone",
                                           port, stack_of("feature/y"), stack_of("feature/x"))),
              std::string::npos)
        << refused.err;
  }
  EXPECT_EQ(fake.writes().size(), writes);
  const auto again = up("feature/x");  // it keeps its own
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_EQ(again.outputs.at("unchanged"), "1");
  files = "services: {web: {image: app, ports: ['80']}}\n";
  EXPECT_EQ(up("feature/y").code, 0);
}

TEST_F(SwarmPreview, ACapRefusesOneMoreButNoneThatIsThere) {
  ASSERT_EQ(up("feature/a", {"--preview-cap", "2"}).code, 0);
  ASSERT_EQ(up("feature/b", {"--preview-cap", "2"}).code, 0);
  const std::size_t writes = fake.writes().size();
  const auto refused = up("feature/c", {"--preview-cap", "2"});
  EXPECT_EQ(refused.code, 1) << refused.out << refused.err;
  EXPECT_NE(refused.err.find("acme/shop has 2 previews, and preview-cap allows 2: feature/a (" +
                             stack_of("feature/a") + "), feature/b"),
            std::string::npos)
      << refused.err;
  EXPECT_EQ(fake.writes().size(), writes);
  files = "services: {web: {image: 'app:v2'}}\n";
  EXPECT_EQ(up("feature/a", {"--preview-cap", "1"}).code, 0);
  // Those of others are another matter.
  step.variables["GITHUB_REPOSITORY"] = "acme/other";
  EXPECT_EQ(up("feature/c", {"--preview-cap", "2"}).code, 0);
}

TEST_F(SwarmPreview, DownLeavesNothingAndCanBeRunAgain) {
  ASSERT_EQ(up("feature/x").code, 0);
  ASSERT_EQ(up("feature/y").code, 0);
  const std::size_t before = things();
  const auto dry = down("feature/x", {"--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_NE(dry.out.find("would go"), std::string::npos) << dry.out;
  EXPECT_EQ(dry.outputs.at("removed"), "0");
  EXPECT_EQ(things(), before);
  const auto done = down("feature/x");
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("removed"), "1");
  EXPECT_EQ(things(), before / 2);
  EXPECT_EQ(live(), "feature/y");
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, {"--stack", stack_of("feature/x")}}) {
    const auto again = down("feature/x", more);
    EXPECT_EQ(again.code, 0) << again.out << again.err;
    EXPECT_EQ(again.outputs.at("removed"), "0");
  }
  const SwarmStep stack(fake.socket(), stack_of("feature/y"));
  EXPECT_NE(stack.run("list").out.find("the preview of branch feature/y of acme/shop, until 2"),
            std::string::npos);
  const auto listed = step.run("preview list");
  EXPECT_NE(listed.out.find("feature/y"), std::string::npos) << listed.out;
  EXPECT_EQ(listed.out.find("feature/x"), std::string::npos) << listed.out;
}

// What says whose it is goes last of all.
TEST_F(SwarmPreview, DownGoesOnWhereOneFailed) {
  ASSERT_EQ(up("feature/x").code, 0);
  int removals = 0;
  {
    std::atomic<int> count = 0;
    fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
      if (request.method == "DELETE") ++count;
      return std::nullopt;
    });
    ASSERT_EQ(down("feature/x").code, 0);
    fake.set_answer({});
    removals = count;
  }
  ASSERT_GE(removals, 7);
  for (int broken = 0; broken < removals - 1; ++broken) {  // the last one gives the lock back
    SCOPED_TRACE(broken);
    ASSERT_EQ(up("feature/x").code, 0);
    std::atomic<int> count = 0;
    fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
      if (request.method != "DELETE" || count++ != broken) return std::nullopt;
      return FakeEngine::Answer{500, R"({"message":"the disk is full"})"};
    });
    const auto failed = down("feature/x");
    fake.set_answer({});
    EXPECT_EQ(failed.code, 1) << failed.out << failed.err;
    EXPECT_NE(failed.err.find("the disk is full"), std::string::npos) << failed.err;
    EXPECT_NE(failed.out.find("failed: "), std::string::npos) << failed.out;
    const auto again = down("feature/x");
    EXPECT_EQ(again.code, 0) << again.out << again.err;
    EXPECT_EQ(again.outputs.at("removed"), "1") << again.out;
    EXPECT_EQ(things(), 0U);
  }
}

TEST_F(SwarmPreview, VolumesOfTheNodesThatAreReachedGoAndTheOthersAreTold) {
  ASSERT_EQ(up("feature/x").code, 0);
  const std::string stack = stack_of("feature/x");
  const std::string slug = stack.substr(std::string("acme-shop-preview-").size());
  const auto volume = [&](const std::string& name, const std::string& of, const std::string& branch,
                          const std::string& preview) {
    return fmt::format(
        R"({{"Name":"{}","Labels":{{"com.docker.stack.namespace":"{}",)"
        R"("private-cloud-actions.branch":"{}","private-cloud-actions.preview":"{}",)"
        R"("private-cloud-actions.repository":"acme/shop"}}}})",
        name, of, branch, preview);
  };
  const std::string volumes =
      R"({"Volumes":[)" + volume(stack + "_data", stack, "feature/x", slug) + "," +
      volume("other", "another", "feature/x", slug) + "," +
      volume("theirs", stack, "feature/y", slug) + "," + volume("kept", stack, "", "") + "]}";
  std::atomic<int> refusals = 2;  // a container of it is still there
  std::atomic<bool> is_removed = false;
  std::atomic<bool> has_tasks = true;
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    const std::string service = "services-" + stack + "_web";
    if (request.method == "DELETE" && request.path == "/services/" + service) has_tasks = false;
    if (request.path == "/tasks" && has_tasks) {
      return FakeEngine::Answer{
          200, fmt::format(R"([{{"ID":"t1","ServiceID":"{0}","NodeID":"node-1","Slot":1}},)"
                           R"({{"ID":"t2","ServiceID":"{0}","NodeID":"node-2","Slot":2}}])",
                           service)};
    }
    if (request.path == "/nodes") {
      return FakeEngine::Answer{200, R"([{"ID":"node-1","Description":{"Hostname":"one"}},)"
                                     R"({"ID":"node-2","Description":{"Hostname":"two"}}])"};
    }
    if (request.path == "/volumes") {
      return FakeEngine::Answer{200, volumes};
    }
    if (request.path != "/volumes/" + stack + "_data") return std::nullopt;
    if (refusals-- > 0) return FakeEngine::Answer{409, R"({"message":"volume is in use"})"};
    is_removed = true;
    return FakeEngine::Answer{204, ""};
  });
  const auto done = down("feature/x");
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_TRUE(is_removed);
  EXPECT_NE(done.out.find(stack + "_data on one"), std::string::npos) << done.out;
  EXPECT_NE(done.err.find("its volumes on two stay"), std::string::npos) << done.err;
  EXPECT_EQ(done.err.find("on one stay"), std::string::npos) << done.err;
  for (const auto& request : fake.requests()) {
    EXPECT_NE(request.path, "/volumes/other");
    EXPECT_NE(request.path, "/volumes/theirs");
    EXPECT_NE(request.path, "/volumes/kept");
  }
  EXPECT_EQ(things(), 1U);  // the record, which says so
}

// Its tasks take so long to end that somebody else has the lock by then, and may have deployed.
TEST_F(SwarmPreview, WhoeverLostTheLockRemovesNothingMore) {
  ASSERT_EQ(up("feature/x").code, 0);
  ASSERT_FALSE(fake.objects("networks").empty());
  std::atomic<bool> is_stolen = false;
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.method == "GET" && request.path.ends_with(".lock")) {
      is_stolen = true;
      return FakeEngine::Answer{404, R"({"message":"not found"})"};
    }
    if (request.path != "/tasks" || is_stolen) return std::nullopt;
    return FakeEngine::Answer{
        200, R"([{"ID":"t1","ServiceID":"s","NodeID":"node-1","Status":{"State":"running"}}])"};
  });
  const auto done = down("feature/x");
  EXPECT_EQ(done.code, 7) << done.out << done.err;
  EXPECT_NE(done.err.find("the lock was lost"), std::string::npos) << done.err;
  EXPECT_FALSE(fake.objects("networks").empty());
  EXPECT_NE(record("feature/x", "slug"), "no record");
}

TEST_F(SwarmPreview, WhatAKilledUpBeganCanBeTakenDown) {
  std::atomic<bool> is_asked = false;
  std::atomic<bool> is_over = false;
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path == "/services/create") {
      is_asked = true;
      (void)comes_true([&] { return is_over.load(); }, std::chrono::seconds(20));
    }
    return std::nullopt;
  });
  step.write(files);
  Process killed = step.start("preview up", arguments("feature/x", {}));
  ASSERT_TRUE(comes_true([&] { return is_asked.load(); }, std::chrono::seconds(20)));
  killed.send(SIGKILL);
  ASSERT_EQ(killed.wait(std::chrono::seconds(20)), 128 + SIGKILL);
  is_over = true;
  fake.set_answer({});
  fake.set_clock(std::chrono::seconds(70));  // the lease is over
  EXPECT_EQ(record("feature/x", "branch"), "feature/x");
  EXPECT_EQ(record("feature/x", "commit"), "");
  const auto done = down("feature/x");
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("removed"), "1");
  EXPECT_EQ(things(), 0U);
}

TEST_F(SwarmPreview, AReapTakesWhatIsAskedForAndNothingElse) {
  files = "services: {web: {image: app}}\n";
  const auto reap = [&](const std::vector<std::string>& rules) {
    const auto done = step.run("preview reap", rules);
    EXPECT_EQ(done.code, 0) << done.out << done.err;
    return done;
  };
  for (const char* branch : {"feature/a", "feature/b", "feature/c"}) ASSERT_EQ(up(branch).code, 0);
  ASSERT_EQ(up("feature/short", {"--preview-ttl", "1h"}).code, 0);
  const SwarmStep production(fake.socket(), "acme-shop-prod");
  production.write("services: {web: {image: app}}\n");
  ASSERT_EQ(production.run("deploy", {"--resolve-image", "never", "--wait=false"}).code, 0);
  step.variables["GITHUB_REPOSITORY"] = "acme/other";
  ASSERT_EQ(up("feature/a", {"--preview-ttl", "9d"}).code, 0);
  step.variables["GITHUB_REPOSITORY"] = "acme/shop";

  EXPECT_EQ(reap({"--expired"}).outputs.at("removed"), "0");
  EXPECT_EQ(reap({"--branch", "feature/a", "--dry-run"}).outputs.at("removed"), "0");
  const auto by_branch = reap({"--branch", "feature/a"});
  EXPECT_NE(by_branch.summary.find("of branch feature/a"), std::string::npos) << by_branch.summary;
  EXPECT_EQ(live(), " feature/a feature/b feature/c feature/short");  // the other repository's
  EXPECT_EQ(reap({"--live-branches", "main\nfeature/b\nfeature/short"}).outputs.at("removed"), "1");
  EXPECT_EQ(live(), " feature/a feature/b feature/short");
  fake.set_clock(std::chrono::hours(2));
  EXPECT_EQ(reap({"--expired"}).outputs.at("removed"), "1");
  EXPECT_EQ(live(), " feature/a feature/b");
  EXPECT_EQ(reap({"--cap", "1"}).outputs.at("removed"), "0") << "a cap is about one repository";
  fake.set_clock(std::chrono::hours(24 * 8));
  EXPECT_EQ(reap({"--older-than", "5d"}).outputs.at("removed"), "1");
  EXPECT_EQ(live(), " feature/a");
  fake.set_clock(std::chrono::hours(24 * 10));
  EXPECT_EQ(reap({"--expired"}).outputs.at("removed"), "1") << "time is up, whosever it was";
  EXPECT_EQ(live(), "");
  EXPECT_TRUE(fake.objects("services").contains("acme-shop-prod_web"));
}

TEST_F(SwarmPreview, AReapGoesOnAfterAFailure) {
  files = "services: {web: {image: app}}\n";
  for (const char* branch : {"feature/a", "feature/b", "feature/c"}) ASSERT_EQ(up(branch).code, 0);
  const std::string stuck = stack_of("feature/b");
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.method != "DELETE" || request.path != "/services/services-" + stuck + "_web")
      return std::nullopt;
    return FakeEngine::Answer{500, R"({"message":"the disk is full"})"};
  });
  const auto done = step.run("preview reap", {"--live-branches", "main"});
  EXPECT_EQ(done.code, 1) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("removed"), "2");
  EXPECT_NE(done.err.find("(left: " + stuck + ")"), std::string::npos) << done.err;
  EXPECT_NE(done.summary.find("the disk is full"), std::string::npos) << done.summary;
  EXPECT_EQ(live(), "feature/b");
}

TEST_F(SwarmPreview, ADryDownOfAStackThatIsNotThereSaysSo) {
  const std::string stack = stack_of("feature/gone");
  const auto dry = down("feature/gone", {"--stack", stack, "--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.out << dry.err;
  EXPECT_EQ(dry.out.find("would go"), std::string::npos) << dry.out;
  EXPECT_NE(dry.out.find("nothing is there"), std::string::npos) << dry.out;
  EXPECT_NE(dry.summary.find("nothing is there"), std::string::npos) << dry.summary;
  EXPECT_TRUE(fake.writes().empty());
}

// What a run without it would remove.
TEST_F(SwarmPreview, ADryDownShowsVolumesToo) {
  ASSERT_EQ(up("feature/x").code, 0);
  const std::string stack = stack_of("feature/x");
  const std::string slug = stack.substr(std::string("acme-shop-preview-").size());
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path == "/nodes")
      return FakeEngine::Answer{200, R"([{"ID":"node-1","Description":{"Hostname":"one"}}])"};
    if (request.path != "/volumes") return std::nullopt;
    return FakeEngine::Answer{
        200,
        fmt::format(R"({{"Volumes":[{{"Name":"{0}_data","Labels":{{)"
                    R"("com.docker.stack.namespace":"{0}","private-cloud-actions.preview":"{1}",)"
                    R"("private-cloud-actions.branch":"feature/x",)"
                    R"("private-cloud-actions.repository":"acme/shop"}}}}]}})",
                    stack, slug)};
  });
  const std::size_t writes = fake.writes().size();
  const auto dry = down("feature/x", {"--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.out << dry.err;
  EXPECT_NE(dry.out.find("would go"), std::string::npos) << dry.out;
  EXPECT_NE(dry.out.find(stack + "_data on one"), std::string::npos) << dry.out;
  EXPECT_EQ(fake.writes().size(), writes);
}

TEST_F(SwarmPreview, WhatIsDeployedWhileAReapWaitsStays) {
  files = "services: {web: {image: app}}\n";
  ASSERT_EQ(up("feature/a").code, 0);
  const std::string stack = stack_of("feature/a");
  std::atomic<bool> is_done = false;
  // Between what the reap has read and its lock.
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path != "/configs/create" || is_done.exchange(true)) return std::nullopt;
    const Json there = fake.objects("configs").at(stack + ".preview");
    Json body = *there.find("Spec");
    Json labels = *body.find("Labels");
    labels.set("private-cloud-actions.deployed", "2126-01-01T00:00:00Z");
    body.set("Labels", std::move(labels));
    ask({.method = "POST",
         .path = "/configs/" + there.text_of("ID") + "/update?version=" +
                 std::to_string(*there.find("Version")->find("Index")->as_int()),
         .body = body.dump()});
    return std::nullopt;
  });
  const auto done = step.run("preview reap", {"--live-branches", "main"});
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_NE(done.out.find("deployed meanwhile, stays"), std::string::npos) << done.out;
  EXPECT_EQ(live(), "feature/a");
}

// Two first deploys have both seen that there is room.
TEST_F(SwarmPreview, OfTwoAtOnceOnlyAsManyGoOnAsTheCapAllows) {
  files = "services: {web: {image: app}}\n";
  ASSERT_EQ(up("feature/a").code, 0);
  for (const char* cap : {"2", "3"}) {
    SCOPED_TRACE(cap);
    std::atomic<int> claims = 0;
    fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
      const bool is_claim =
          request.path == "/configs/create" && request.body.text_of("Name").ends_with(".preview");
      if (!is_claim) return std::nullopt;
      ++claims;
      EXPECT_TRUE(comes_true([&] { return claims >= 2; }, std::chrono::seconds(20)));
      return std::nullopt;
    });
    SwarmStep other(fake.socket(), "");
    other.variables["GITHUB_REPOSITORY"] = "acme/shop";
    std::vector<SwarmStep::Result> done;
    {
      Process first = start_up(step, "feature/b", cap);
      Process second = start_up(other, "feature/c", cap);
      done.push_back(step.result_of(first));
      done.push_back(other.result_of(second));
    }
    fake.set_answer({});
    const auto refused =
        std::count_if(done.begin(), done.end(), [](const auto& one) { return one.code == 1; });
    const auto deployed =
        std::count_if(done.begin(), done.end(), [](const auto& one) { return one.code == 0; });
    EXPECT_EQ(deployed, cap[0] - '1') << done[0].err << done[1].err;
    EXPECT_EQ(refused, '3' - cap[0]) << done[0].err << done[1].err;
    EXPECT_EQ(fake.objects("services").size(), static_cast<std::size_t>(cap[0] - '0'));
    // Nothing is left of the one that was refused.
    std::size_t records = 0;
    for (const auto& [name, one] : fake.objects("configs"))
      records += name.ends_with(".preview") ? 1 : 0;
    EXPECT_EQ(records, static_cast<std::size_t>(cap[0] - '0'));
    for (const char* branch : {"feature/b", "feature/c"}) ASSERT_EQ(down(branch).code, 0);
    EXPECT_EQ(live(), "feature/a");
  }
}

TEST_F(SwarmPreview, APlaceThatCannotBeGivenBackIsTold) {
  files = "services: {web: {image: app}}\n";
  ASSERT_EQ(up("feature/a").code, 0);
  // Somebody comes in between.
  std::atomic<bool> is_done = false;
  const std::string stack = stack_of("feature/b");
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    const bool is_claim =
        request.path == "/configs/create" && request.body.text_of("Name") == stack + ".preview";
    if (is_claim && !is_done.exchange(true)) {
      SwarmStep other(fake.socket(), "");
      other.variables["GITHUB_REPOSITORY"] = "acme/shop";
      Process process = start_up(other, "feature/c", "2");
      EXPECT_EQ(other.result_of(process).code, 0);
    }
    if (request.method != "DELETE" || request.path.find(stack + ".preview") == std::string::npos)
      return std::nullopt;
    return FakeEngine::Answer{500, R"({"message":"the disk is full"})"};
  });
  const auto refused = up("feature/b", {"--preview-cap", "2"});
  fake.set_answer({});
  EXPECT_EQ(refused.code, 1) << refused.out << refused.err;
  EXPECT_NE(refused.err.find("preview-cap allows 2"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("Its record " + stack + ".preview could not be taken back"),
            std::string::npos)
      << refused.err;
  EXPECT_NE(refused.err.find("the disk is full"), std::string::npos) << refused.err;
  // It holds no place that it was refused: the next try is counted anew.
  EXPECT_EQ(up("feature/b", {"--preview-cap", "2"}).code, 1);
  EXPECT_NE(step.run("preview list").out.find("not healthy yet"), std::string::npos);
  EXPECT_EQ(down("feature/b").code, 0);
  EXPECT_EQ(live(), "feature/a feature/c");
  EXPECT_EQ(record("feature/b", "branch"), "no record");
}

// Each node has a task of each service while it is there, and a volume of its own. The fake is the
// Engine of node-1, the manager.
class SwarmPreviewVolumes : public SwarmPreview {
 protected:
  void SetUp() override {
    SwarmPreview::SetUp();
    fake.set_answer(
        [this](const FakeEngine::Request& request) { return answer(request, fake, 1); });
    worker.set_answer(
        [this](const FakeEngine::Request& request) { return answer(request, worker, 2); });
    ASSERT_EQ(up("feature/x").code, 0);
    volumes[1] = volumes[2] = true;
    stack = stack_of("feature/x");
  }

  std::optional<FakeEngine::Answer> answer(const FakeEngine::Request& request,
                                           const FakeEngine& engine, std::size_t node) {
    if (request.path == "/info" && node == 2) {
      return FakeEngine::Answer{
          200, R"({"Swarm":{"NodeID":"node-2","LocalNodeState":"active"},"OSType":"linux"})"};
    }
    if (request.path == "/nodes") {
      return FakeEngine::Answer{200, R"([{"ID":"node-1","Description":{"Hostname":"one"}})" +
                                         std::string(has_worker ? R"(,{"ID":"node-2",)"
                                                                  R"("Description":{"Hostname":)"
                                                                  R"("two"}}])"
                                                                : "]")};
    }
    if (request.path == "/tasks") {
      Json tasks = Json::array();
      for (const auto& [name, service] : engine.objects("services")) {
        for (int on = 1; on <= task_nodes; ++on) {
          tasks.push(Json::object()
                         .set("ID", fmt::format("task-{}", on))
                         .set("ServiceID", service.text_of("ID"))
                         .set("NodeID", fmt::format("node-{}", on))
                         .set("Slot", on));
        }
      }
      return FakeEngine::Answer{200, tasks.dump()};
    }
    if (request.path == "/volumes") {
      return FakeEngine::Answer{
          200, volumes[node]
                   ? fmt::format(R"({{"Volumes":[{{"Name":"{0}_data","Labels":{{)"
                                 R"("com.docker.stack.namespace":"{0}",)"
                                 R"("private-cloud-actions.branch":"feature/x",)"
                                 R"("private-cloud-actions.preview":"{1}",)"
                                 R"("private-cloud-actions.repository":"acme/shop"}}}}]}})",
                                 stack, *make_slug("acme/shop", "feature/x"))
                   : R"({"Volumes":[]})"};
    }
    if (request.path == "/volumes/" + stack + "_data" && request.method == "DELETE") {
      volumes[node] = false;
      return FakeEngine::Answer{204, ""};
    }
    return std::nullopt;
  }
  // By the Engines of both nodes.
  [[nodiscard]] SwarmStep::Result down_everywhere() const {
    SwarmStep both("unix://" + fake.socket() + "\nunix://" + worker.socket(), "");
    both.variables["GITHUB_REPOSITORY"] = "acme/shop";
    return both.run("preview down", {"--branch", "feature/x"});
  }
  [[nodiscard]] std::string listed() const { return step.run("preview list").out; }

  FakeEngine worker;
  std::array<std::atomic<bool>, 3> volumes{};
  std::atomic<int> task_nodes = 2;
  std::atomic<bool> has_worker = true;
  std::string stack;
};

TEST_F(SwarmPreviewVolumes, ARecordStaysUntilTheVolumesOfAllNodesAreGone) {
  const auto first = down("feature/x");
  EXPECT_EQ(first.code, 0) << first.out << first.err;
  EXPECT_NE(first.out.find("gone but for volumes on two"), std::string::npos) << first.out;
  EXPECT_EQ(first.outputs.at("removed"), "0");
  EXPECT_FALSE(volumes[1]);
  EXPECT_EQ(things(), 1U);
  EXPECT_EQ(record("feature/x", "phase"), "volumes");
  EXPECT_EQ(record("feature/x", "volumes-on"), "node-2");
  EXPECT_NE(listed().find("only volumes are left, on two"), std::string::npos) << listed();
  // It counts no more.
  task_nodes = 1;
  EXPECT_EQ(up("feature/y", {"--preview-cap", "1"}).code, 0);
  EXPECT_EQ(down("feature/y").code, 0);
  // Whatever else a reap is about, and only of one's own.
  step.variables["GITHUB_REPOSITORY"] = "acme/other";
  EXPECT_EQ(step.run("preview reap", {"--expired"}).out.find(stack), std::string::npos);
  step.variables["GITHUB_REPOSITORY"] = "acme/shop";
  const auto reaped = step.run("preview reap", {"--expired"});
  EXPECT_EQ(reaped.code, 0) << reaped.out << reaped.err;
  EXPECT_NE(reaped.out.find("only volumes are left"), std::string::npos) << reaped.out;
  EXPECT_NE(reaped.err.find("its volumes on two stay"), std::string::npos) << reaped.err;
  EXPECT_EQ(record("feature/x", "phase"), "volumes");
  const auto last = down_everywhere();
  EXPECT_EQ(last.code, 0) << last.out << last.err;
  EXPECT_EQ(last.outputs.at("removed"), "1") << last.out;
  EXPECT_NE(last.out.find(stack + "_data on two"), std::string::npos) << last.out;
  EXPECT_FALSE(volumes[2]);
  EXPECT_EQ(things(), 0U);
}

// When the tasks are gone nobody else knows where they were.
TEST_F(SwarmPreviewVolumes, ADownThatIsKilledHasNotedWhereVolumesAre) {
  std::atomic<pid_t> tool = 0;
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.method == "DELETE" && request.path.starts_with("/networks/")) {
      EXPECT_TRUE(comes_true([&] { return tool != 0; }));
      ::kill(tool, SIGKILL);
      return FakeEngine::Answer{500, "{}"};
    }
    return answer(request, fake, 1);
  });
  Process killed = step.start("preview down", {"--branch", "feature/x"});
  tool = killed.pid();
  ASSERT_EQ(killed.wait(std::chrono::seconds(20)), 128 + SIGKILL);
  fake.set_answer([this](const FakeEngine::Request& request) { return answer(request, fake, 1); });
  fake.set_clock(std::chrono::seconds(70));
  EXPECT_TRUE(fake.objects("services").empty());
  const auto next = down("feature/x");
  EXPECT_EQ(next.code, 0) << next.out << next.err;
  EXPECT_EQ(record("feature/x", "volumes-on"), "node-2");
  EXPECT_EQ(down_everywhere().code, 0);
  EXPECT_FALSE(volumes[2]);
  EXPECT_EQ(things(), 0U);
}

TEST_F(SwarmPreviewVolumes, ABranchThatComesBackStillKnowsWhereItsOldVolumesAre) {
  ASSERT_EQ(down("feature/x").code, 0);
  task_nodes = 1;
  // It is a new one again.
  ASSERT_EQ(up("feature/y").code, 0);
  const auto refused = up("feature/x", {"--preview-cap", "1"});
  EXPECT_EQ(refused.code, 1) << refused.out << refused.err;
  EXPECT_EQ(record("feature/x", "phase"), "volumes");
  ASSERT_EQ(down("feature/y").code, 0);
  ASSERT_EQ(up("feature/x", {"--preview-cap", "1"}).code, 0);
  EXPECT_EQ(record("feature/x", "phase"), "");
  EXPECT_EQ(listed().find("only volumes"), std::string::npos) << listed();
  EXPECT_EQ(up("feature/y", {"--preview-cap", "1"}).code, 1);
  EXPECT_EQ(down("feature/x").code, 0);
  EXPECT_EQ(record("feature/x", "volumes-on"), "node-2");
}

TEST_F(SwarmPreviewVolumes, ANodeThatLeftTheSwarmIsToldAndKeepsNoRecord) {
  ASSERT_EQ(down("feature/x").code, 0);
  has_worker = false;
  const auto done = down("feature/x");
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("removed"), "1");
  EXPECT_NE(done.err.find("the swarm has the nodes node-2 no more"), std::string::npos) << done.err;
  EXPECT_EQ(things(), 0U);
}

TEST_F(SwarmPreviewVolumes, RmKeepsTheRecordWithTheVolumes) {
  const SwarmStep plain(fake.socket(), stack);
  const auto removed = plain.run("rm");
  EXPECT_EQ(removed.code, 0) << removed.out << removed.err;
  EXPECT_NE(removed.out.find("\"swarm-deploy preview down\" removes both"), std::string::npos)
      << removed.out;
  EXPECT_EQ(record("feature/x", "volumes-on"), "node-1 node-2");
  EXPECT_EQ(things(), 1U);
  EXPECT_EQ(down_everywhere().outputs.at("removed"), "1");
  EXPECT_FALSE(volumes[1]);
  EXPECT_FALSE(volumes[2]);
  EXPECT_EQ(things(), 0U);
}

// First deploys and removals, disturbed at each of their requests. There is another stack, too.
class SwarmPreviewTorture : public SwarmPreview {
 protected:
  using How = Disturbance;
  // A swarm of two nodes, of which the first one's Engine is reached.
  struct Place {
    Place() {
      const Json spec = Json::object().set("Name", "other_web").set("Labels", Json::object());
      engine.put("services", Json::object()
                                 .set("ID", "other")
                                 .set("Version", Json::object().set("Index", 0))
                                 .set("Spec", spec));
      step.variables["GITHUB_REPOSITORY"] = "acme/shop";
      step.folder().write("content", "x");
      step.write(web);
    }
    // Tasks and volumes are on both, from when the preview's service is there.
    [[nodiscard]] std::optional<FakeEngine::Answer> answer(const FakeEngine::Request& request) {
      const std::string stack = stack_of("feature/x");
      if (request.path == "/nodes") {
        return FakeEngine::Answer{200, R"([{"ID":"node-1","Description":{"Hostname":"one"}},)"
                                       R"({"ID":"node-2","Description":{"Hostname":"two"}}])"};
      }
      if (request.path == "/tasks" && has_nodes && engine.objects("services").size() > 1) {
        return FakeEngine::Answer{
            200, fmt::format(R"([{{"ID":"1","ServiceID":"{0}","NodeID":"node-1","Slot":1}},)"
                             R"({{"ID":"2","ServiceID":"{0}","NodeID":"node-2","Slot":2}}])",
                             engine.objects("services").at(stack + "_web").text_of("ID"))};
      }
      if (request.path == "/volumes" && has_volume) {
        return FakeEngine::Answer{
            200, fmt::format(R"({{"Volumes":[{{"Name":"{0}_data","Labels":{{)"
                             R"("com.docker.stack.namespace":"{0}",)"
                             R"("private-cloud-actions.branch":"feature/x",)"
                             R"("private-cloud-actions.preview":"{1}",)"
                             R"("private-cloud-actions.repository":"acme/shop"}}}}]}})",
                             stack, *make_slug("acme/shop", "feature/x"))};
      }
      if (request.method != "DELETE" || !request.path.starts_with("/volumes/")) return std::nullopt;
      has_volume = false;
      return FakeEngine::Answer{204, ""};
    }
    // Runs it undisturbed, once the lease of whoever was killed is over.
    SwarmStep::Result run(const std::string& command, const std::vector<std::string>& more) {
      engine.set_clock(std::chrono::seconds(70));
      engine.lose_answers({});
      engine.set_answer([this](const FakeEngine::Request& request) { return answer(request); });
      return step.run(command, more);
    }

    bool has_nodes = false;
    std::atomic<bool> has_volume = false;
    FakeEngine engine;
    SwarmStep step{engine.socket(), ""};
  };

  // All that is there but locks and the history, which `records` tells.
  static std::string picture(const FakeEngine& of) {
    return picture(of, {"services", "networks", "secrets", "configs"});
  }
  static std::string picture(const FakeEngine& of, const std::vector<const char*>& kinds) {
    std::string text;
    for (const char* kind : kinds) {
      for (const auto& [name, one] : of.objects(kind)) {
        const bool is_record =
            name.find("preview-") != std::string::npos && name.find('.') != std::string::npos;
        if (is_record) continue;
        text += name;
        if (kind == std::string_view("services")) text += " " + one.find("Spec")->dump();
        text += "\n";
      }
    }
    return text;
  }
  static std::string records(const FakeEngine& of) {
    std::string text;
    for (const auto& [name, one] : of.objects("configs")) {
      if (name.find("preview-") == std::string::npos || name.find('.') == std::string::npos ||
          name.ends_with(".lock"))
        continue;
      const Json labels = labels_of(one);
      text += name.substr(name.find('.')) + " " + labels.text_of("private-cloud-actions.phase") +
              " " + labels.text_of("private-cloud-actions.volumes-on") + "\n";
    }
    return text;
  }
  // Whatever is there of the preview, its record says so.
  static void expect_record(const FakeEngine& of, const std::string& nothing) {
    if (picture(of) == nothing && records(of).empty()) return;
    EXPECT_NE(records(of).find(".preview "), std::string::npos) << picture(of) << records(of);
  }
};

TEST_F(SwarmPreviewTorture, EachDisturbedFirstDeployEndsAsWantedOrAsBefore) {
  const auto first = arguments("feature/x", {});
  std::string before;
  std::string after;
  {
    Place place;
    before = picture(place.engine);
    ASSERT_EQ(place.run("preview up", first).code, 0);
    after = picture(place.engine);
    ASSERT_NE(before, after);
  }
  int runs = 0;
  for (const auto& [how, text] : of_writes) {
    for (int which = 0;; ++which, ++runs) {
      Place place;
      const auto [is_reached, request, done] = disturb(place, {"preview up", first}, how, which);
      if (!is_reached) break;
      SCOPED_TRACE(fmt::format("{} {} {}", request, which, text));
      const std::string now = picture(place.engine);
      if (how == How::refused || how == How::lost) {
        EXPECT_TRUE(now == after || now == before) << now << done.out << done.err;
        EXPECT_EQ(now == after, done.code == 0) << done.code << done.out << done.err;
      } else if (how == How::cancelled) {
        EXPECT_EQ(now, done.code == 0 ? after : before) << done.code << done.out << done.err;
      }
      expect_record(place.engine, before);
      const auto down = place.run("preview down", {"--branch", "feature/x"});
      EXPECT_EQ(down.code, 0) << down.out << down.err;
      EXPECT_EQ(picture(place.engine), before);
      EXPECT_EQ(records(place.engine), "");
    }
  }
  EXPECT_GT(runs, 60);
}

TEST_F(SwarmPreviewTorture, EachDisturbedRemovalIsFinishedByTheNextOne) {
  const auto first = arguments("feature/x", {});
  const std::vector<std::string> which_branch{"--branch", "feature/x"};
  int runs = 0;
  for (const char* command : {"preview down", "preview reap"}) {
    for (const auto& [how, text] : of_writes) {
      if (command == std::string_view("preview reap") && how != How::killed_after) continue;
      for (int which = 0;; ++which, ++runs) {
        Place place;
        const std::string nothing = picture(place.engine);
        ASSERT_EQ(place.run("preview up", first).code, 0);
        place.engine.set_clock(std::chrono::seconds(0));
        place.has_nodes = true;
        place.has_volume = true;
        const std::string before = picture(place.engine);
        const auto [is_reached, request, done] =
            disturb(place, {command, which_branch}, how, which);
        if (!is_reached) break;
        SCOPED_TRACE(fmt::format("{}: {} {} {}", command, request, which, text));
        // What it could not reach is left, and known, whatever happened.
        expect_record(place.engine, nothing);
        EXPECT_NE(records(place.engine).find(".preview "), std::string::npos);
        if (how == How::refused && picture(place.engine) != nothing) {
          EXPECT_EQ(done.code, 1) << done.out << done.err;
        }
        const auto next = place.run(command, which_branch);
        EXPECT_EQ(next.code, 0) << next.out << next.err;
        EXPECT_EQ(picture(place.engine), nothing);
        EXPECT_EQ(records(place.engine), ".preview volumes node-2\n");
        EXPECT_FALSE(place.has_volume);
        EXPECT_NE(before, nothing);
      }
    }
  }
  EXPECT_GT(runs, 60);
}

}  // namespace
}  // namespace pca
