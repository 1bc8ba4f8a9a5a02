// What a deploy asks of an Engine, counted, and what it asks of registries through it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/fake_engine.hpp"
#include "support/swarm_step.hpp"

namespace pca {
namespace {

using namespace test;

std::string digest(char of) { return "sha256:" + std::string(64, of); }

Json distribution(char of, const char* platforms = R"([{"architecture":"amd64","os":"linux"}])") {
  return Json::object()
      .set("Descriptor", Json::object().set("digest", digest(of)))
      .set("Platforms", *parse_json(platforms));
}

class SwarmRequests : public ::testing::Test {
 protected:
  SwarmRequests() {
    fake.put("networks", *parse_json(R"({"ID":"n","Id":"n","Name":"public","Scope":"swarm"})"));
    fake.put("secrets", *parse_json(R"({"ID":"s","Spec":{"Name":"token"}})"));
    fake.put_image("app:v1", distribution('1'));
    fake.put_image("app:v2", distribution('2'));
    fake.put_image("agent:latest", distribution('3'));
    step.folder().write("content", "x");
    fake.set_answer(
        [this](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
          if (request.path == "/tasks") return FakeEngine::Answer{200, tasks()};
          return std::nullopt;
        });
  }
  // Each service has one that runs.
  [[nodiscard]] std::string tasks() const {
    Json list = Json::array();
    for (const auto& [name, service] : fake.objects("services")) {
      Json one = Json::object();
      one.set("ID", "t-" + name).set("ServiceID", service.text_of("ID")).set("NodeID", "node-1");
      one.set("Slot", name == "shop_agent" ? 0 : 1).set("DesiredState", "running");
      list.push(one.set("Status", Json::object().set("State", "running")));
    }
    return list.dump();
  }
  SwarmStep::Result deploy(const std::string& services, std::vector<std::string> more = {}) {
    step.write("services:\n" + services +
               "networks: {front: {}, out: {external: true, name: public}, own: {name: mine}}\n"
               "secrets: {s: {file: content}, token: {external: true}}\n"
               "configs: {c: {file: content}, own: {name: our-config, file: content}}\n");
    more.insert(more.end(), {"--settle", "0s"});
    begin = fake.requests().size();
    return step.run("deploy", more);
  }
  // Those of the last deploy, one a line.
  [[nodiscard]] std::vector<std::string> sent() const {
    std::vector<std::string> lines;
    const auto all = fake.requests();
    for (std::size_t i = begin; i < all.size(); ++i)
      lines.push_back(all[i].method + " " + all[i].path + " " + all[i].query);
    return lines;
  }
  [[nodiscard]] std::size_t count(const std::string& start) const {
    const auto lines = sent();
    return static_cast<std::size_t>(std::count_if(
        lines.begin(), lines.end(), [&](const auto& line) { return line.starts_with(start); }));
  }
  [[nodiscard]] Json task_of(const std::string& service) const {
    return *fake.objects("services").at(service).find("Spec")->find("TaskTemplate");
  }

  static std::string web(const std::string& tag, const std::string& more = {}) {
    return fmt::format(
        "  web: {{image: 'app:{}', networks: [front, out, own], secrets: [s, token],"
        " configs: [c, own]{}}}\n",
        tag, more);
  }
  static inline const std::string agent = "  agent: {image: agent, deploy: {mode: global}}\n";

  FakeEngine fake;
  SwarmStep step{fake.socket()};
  std::size_t begin = 0;
};

TEST_F(SwarmRequests, WhatChangesNothingSendsEightAndOneForEachImage) {
  ASSERT_EQ(deploy(web("v1") + agent).code, 0);
  const auto again = deploy(web("v1") + agent);
  ASSERT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_EQ(again.outputs.at("outcome"), "unchanged") << again.out;
  EXPECT_EQ(count("GET /distribution/"), 2U);
  EXPECT_EQ(sent().size(), 8U + 2U) << join(sent(), "\n");
}

// Eleven: ping, info, six lists, the state before and after and its history between. And what it is
// about: two images, a config, two services, and two objects of its own, of which the lock is
// removed; of polls one.
TEST_F(SwarmRequests, WhatChangesSomethingSendsElevenAndWhatItIsAbout) {
  ASSERT_EQ(deploy(web("v1") + agent).code, 0);
  step.folder().write("content", "x");
  const auto changed = [&](const std::string& tag) {
    return web(tag, ", labels: {tag: " + tag + "}") + agent + "  more: {image: 'app:" + tag +
           "', networks: [front]}\n";
  };
  const auto done = deploy(changed("v2"));
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("created"), "1");
  EXPECT_EQ(done.outputs.at("updated"), "1");
  const std::size_t images = 2;
  const std::size_t services = 2;
  const std::size_t own = 3;  // the lock, twice, and the release
  const std::size_t polls = 1;
  EXPECT_EQ(sent().size(), 11 + images + services + own + 2 * polls) << join(sent(), "\n");
  // Without a look at the end it reads the services once.
  const auto unwaited = deploy(changed("v1"), {"--wait=false"});
  ASSERT_EQ(unwaited.code, 0) << unwaited.out << unwaited.err;
  EXPECT_EQ(sent().size(), 11 + images + services + own + 1) << join(sent(), "\n");
}

// What the release keeps is enough to come back to it.
TEST_F(SwarmRequests, WhatIsKeptWithoutAnotherReadingCanBeGoneBackTo) {
  ASSERT_EQ(deploy(web("v1") + agent).code, 0);
  const std::string before = task_of("shop_web").dump();
  ASSERT_EQ(deploy(web("v2")).code, 0);
  EXPECT_NE(task_of("shop_web").dump(), before);
  const auto back = step.run("rollback", {"--wait=false"});
  ASSERT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(task_of("shop_web").dump(), before);
}

TEST_F(SwarmRequests, EachImageIsResolvedOnceAndItsPlatformsAreKept) {
  fake.put_image("app:v1", distribution('1', R"([{"architecture":"amd64","os":"linux"},)"
                                             R"({"architecture":"arm","os":"linux"}])"));
  const std::string pinned = "pinned:v1@" + digest('4');
  fake.put_image(pinned, distribution('4', R"([{"architecture":"arm64","os":"linux"}])"));
  step.variables["INPUT_REGISTRY_AUTH"] = "docker.io deploy canary-password";
  const std::string stack =
      "  one: {image: 'app:v1'}\n  two: {image: 'app:v1'}\n  three: {image: '" + pinned + "'}\n";
  ASSERT_EQ(deploy(stack).code, 0);
  EXPECT_EQ(count("GET /distribution/"), 2U) << join(sent(), "\n");
  for (const auto& request : fake.requests()) {
    const bool needs_login =
        request.path.starts_with("/distribution/") || request.path == "/services/create";
    EXPECT_EQ(request.registry_auth.empty(), !needs_login) << request.path;
  }
  const auto image = [&](const std::string& service) {
    return task_of(service).find("ContainerSpec")->text_of("Image");
  };
  const auto platforms = [&](const std::string& service) {
    const Json task = task_of(service);
    const Json* found = task.find("Placement");
    return found == nullptr ? std::string() : found->find("Platforms")->dump();
  };
  EXPECT_EQ(image("shop_one"), "app:v1@" + digest('1'));
  EXPECT_EQ(image("shop_two"), image("shop_one"));
  EXPECT_EQ(platforms("shop_one"), R"([{"Architecture":"amd64","OS":"linux"},{"OS":"linux"}])");
  EXPECT_EQ(image("shop_three"), pinned);
  EXPECT_EQ(platforms("shop_three"), R"([{"Architecture":"arm64","OS":"linux"}])");
  // The tag moves, and only who asks for it learns of it.
  fake.put_image("app:v1", distribution('5'));
  const auto same = deploy(stack, {"--resolve-image", "changed"});
  EXPECT_EQ(same.outputs.at("outcome"), "unchanged") << same.out;
  EXPECT_EQ(count("GET /distribution/"), 0U);
  const auto moved = deploy(stack);
  EXPECT_EQ(moved.outputs.at("updated"), "2") << moved.out << moved.err;
  EXPECT_EQ(image("shop_one"), "app:v1@" + digest('5'));
}

TEST_F(SwarmRequests, WithoutADigestNothingIsWrittenUnlessThatMayBe) {
  const std::string stack =
      "  one: {image: 'gone:v1'}\n  two: {image: 'gone:v2@" + digest('6') + "'}\n";
  const auto refused = deploy(stack);
  EXPECT_EQ(refused.code, 1) << refused.out << refused.err;
  EXPECT_NE(refused.err.find("the digest of the image gone:v1 of shop_one cannot be had"),
            std::string::npos)
      << refused.err;
  EXPECT_TRUE(fake.writes().empty());
  const auto done = deploy(stack, {"--require-digest=false"});
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(task_of("shop_one").find("ContainerSpec")->text_of("Image"), "gone:v1");
  // One that names its digest only lacks its platforms.
  EXPECT_NE((done.out + done.err).find("the platforms of the image gone:v2@"), std::string::npos)
      << done.out << done.err;
}

// A wave begins once those before it are well, on the way back as on the way there.
TEST_F(SwarmRequests, ARollbackGoesInTheWavesOfItsRelease) {
  const auto stack = [](const std::string& tag) {
    return fmt::format(
        "  db: {{image: 'app:{0}'}}\n  web: {{image: 'app:{0}', x-deploy: {{wave: 1}}}}\n", tag);
  };
  ASSERT_EQ(deploy(stack("v1")).code, 0);
  ASSERT_EQ(deploy(stack("v2")).code, 0);
  begin = fake.requests().size();
  const auto back = step.run("rollback", {"--settle", "0s"});
  ASSERT_EQ(back.code, 0) << back.out << back.err;
  const auto lines = sent();
  const auto place = [&](const std::string& start) {
    return std::find_if(lines.rbegin(), lines.rend(),
                        [&](const auto& line) { return line.starts_with(start); });
  };
  const auto db = place("POST /services/services-shop_db/update").base();
  const auto next = place("POST /services/services-shop_web/update").base();
  EXPECT_LT(db, next) << join(lines, "\n");
  EXPECT_TRUE(std::any_of(db, next, [](const auto& line) {
    return line.starts_with("GET /tasks");
  })) << join(lines, "\n");
}

}  // namespace
}  // namespace pca
