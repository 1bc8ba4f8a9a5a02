#include "net/engine.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <thread>

#include "support/comes_true.hpp"
#include "support/fake_engine.hpp"

namespace pca {
namespace {

using test::comes_true;
using test::FakeEngine;

// Made anew by each test: they may run long after the process began.
Budget patient() { return Budget::of(Milliseconds{20'000}); }

Result<std::unique_ptr<Engine>> connect_to(const FakeEngine& fake) {
  return Engine::connect(patient(), *parse_engine_endpoint("unix://" + fake.socket()));
}

// What /info is answered with.
void be(FakeEngine& fake, const std::string& swarm) {
  fake.set_answer([swarm](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path != "/info") return std::nullopt;
    return FakeEngine::Answer{200, "{\"Swarm\":" + swarm + "}"};
  });
}

TEST(EngineEndpointTest, IsThePathOfASocket) {
  EXPECT_EQ(parse_engine_endpoint("unix:///run/docker.sock")->unix_socket, "/run/docker.sock");
  EXPECT_EQ(parse_engine_endpoint("/run/docker.sock")->unix_socket, "/run/docker.sock");
  for (const std::string& bad : {std::string(""), std::string("docker"), std::string("unix://x"),
                                 "unix:///" + std::string(120, 'x')}) {
    const auto endpoint = parse_engine_endpoint(bad);
    ASSERT_FALSE(endpoint) << bad;
    EXPECT_EQ(endpoint.error().kind, ErrorKind::bad_input);
  }
}

TEST(EngineEndpointTest, IsATcpAddress) {
  const auto plain = parse_engine_endpoint("tcp://manager.example");
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->host, "manager.example");
  EXPECT_EQ(plain->port, 2376);
  EXPECT_EQ(parse_engine_endpoint("tcp://[fd00::1]:99")->host, "fd00::1");
  EXPECT_EQ(parse_engine_endpoint("tcp://[fd00::1]:99")->port, 99);
  for (const char* bad : {"tcp://", "tcp://root@manager.example", "tcp://a:b:c", "tcp:manager"}) {
    const auto endpoint = parse_engine_endpoint(bad);
    ASSERT_FALSE(endpoint) << bad;
    EXPECT_EQ(endpoint.error().kind, ErrorKind::bad_input) << bad;
  }
}

TEST(EngineTest, AManagerWithoutALeaderIsUnreachableForNow) {
  FakeEngine fake;
  const auto engine = connect_to(fake);
  ASSERT_TRUE(engine);
  for (const char* said :
       {"rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too "
        "few managers are online.",
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded"}) {
    fake.set_answer([said](const FakeEngine::Request&) -> std::optional<FakeEngine::Answer> {
      return FakeEngine::Answer{500, Json::object().set("message", said).dump()};
    });
    const auto answer = (*engine)->json(patient(), {.path = "/services"});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::unreachable);
    EXPECT_TRUE(answer.error().transient);
    EXPECT_EQ(answer.error().hint, "Bring back its managers until more than half of them run.");
  }
}

TEST(EngineTest, SpeaksTheNewestVersionThatBothKnow) {
  for (const auto& [theirs, spoken] : {std::pair{"1.40", 40}, {"1.41", 41}, {"1.99", 47}}) {
    const FakeEngine fake(theirs);
    const auto engine = connect_to(fake);
    ASSERT_TRUE(engine) << engine.error().message;
    EXPECT_EQ((*engine)->minor_version(), spoken);
  }
  const FakeEngine old("1.24");
  const auto refused = connect_to(old);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("1.24"), std::string::npos) << refused.error().message;
}

TEST(EngineTest, SaysWhatIsNoManager) {
  FakeEngine fake;
  const auto engine = connect_to(fake);
  ASSERT_TRUE(engine);
  EXPECT_TRUE((*engine)->check_manager(patient()));
  be(fake, R"({"LocalNodeState":"inactive"})");
  EXPECT_NE((*engine)->check_manager(patient()).error().message.find("is in no swarm"),
            std::string::npos);
  be(fake, R"({"LocalNodeState":"active","ControlAvailable":false})");
  EXPECT_NE((*engine)->check_manager(patient()).error().message.find("is no manager"),
            std::string::npos);
  be(fake,
     R"({"LocalNodeState":"active","ControlAvailable":true,"Error":"The swarm does not have a leader."})");
  const auto leaderless = (*engine)->check_manager(patient());
  EXPECT_EQ(leaderless.error().kind, ErrorKind::unreachable);
  EXPECT_NE(leaderless.error().message.find("does not have a leader"), std::string::npos);
}

TEST(EngineTest, GivesTheAnswersOfManyRequestsInTheirOrder) {
  FakeEngine fake;
  fake.set_answer([](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (!request.path.starts_with("/echo/")) return std::nullopt;
    return FakeEngine::Answer{
        request.path.ends_with("7") ? 404 : 200,
        "{\"path\":\"" + request.path + "\",\"message\":\"no\\u001b[31m such\"}"};
  });
  const auto engine = connect_to(fake);
  ASSERT_TRUE(engine);
  std::vector<EngineRequest> requests;
  for (int i = 0; i < 40; ++i) requests.push_back({.path = "/echo/" + std::to_string(i)});
  const auto answers = (*engine)->json_all(patient(), requests);
  ASSERT_EQ(answers.size(), requests.size());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (i % 10 == 7) {
      ASSERT_FALSE(answers[i]);
      EXPECT_EQ(answers[i].error().message, "the Engine answered GET /echo/" + std::to_string(i) +
                                                " with 404: no\\x1B[31m such");
    } else {
      ASSERT_TRUE(answers[i]) << answers[i].error().message;
      EXPECT_EQ(answers[i]->text_of("path"), requests[i].path);
    }
  }
}

TEST(EngineTest, KnowsAChangeThatCameBetween) {
  const EngineRequest update{.method = "POST", .path = "/services/x/update?version=1"};
  EXPECT_EQ(
      engine_error(
          update, {500, R"({"message":"rpc error: code = Unknown desc = update out of sequence"})"})
          .kind,
      ErrorKind::conflict);
  EXPECT_EQ(engine_error(update, {409, "{}"}).kind, ErrorKind::conflict);
  EXPECT_EQ(engine_error(update, {403, "{}"}).kind, ErrorKind::permission);
  EXPECT_EQ(engine_error(update, {500, "oh"}).kind, ErrorKind::failed);
  // A query may tell more than a log should.
  EXPECT_EQ(engine_error(update, {500, "oh"}).message,
            "the Engine answered POST /services/x/update with 500: oh");
}

TEST(EngineTest, RefusesWhatIsTooLongOrNoJson) {
  FakeEngine fake;
  fake.set_answer([](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path == "/long")
      return FakeEngine::Answer{200, "\"" + std::string(5000, 'x') + "\""};
    if (request.path == "/odd") return FakeEngine::Answer{200, "{nonsense"};
    return std::nullopt;
  });
  const auto engine = connect_to(fake);
  ASSERT_TRUE(engine);
  EXPECT_NE((*engine)
                ->json(patient(), {.path = "/long", .answer_limit = 1000})
                .error()
                .message.find("longer than"),
            std::string::npos);
  EXPECT_NE((*engine)->json(patient(), {.path = "/odd"}).error().message.find("cannot be read"),
            std::string::npos);
}

TEST(EngineTest, AsksAnotherManagerWhenOneIsGone) {
  auto first = std::make_unique<FakeEngine>();
  const FakeEngine second;
  std::vector<std::string> said;
  const auto engine =
      Engine::connect_manager(patient(),
                              {*parse_engine_endpoint("unix://" + first->socket()),
                               *parse_engine_endpoint("unix://" + second.socket())},
                              [&](const std::string& text) { said.push_back(text); });
  ASSERT_TRUE(engine) << engine.error().message;
  EXPECT_EQ((*engine)->name(), first->socket());
  EXPECT_TRUE((*engine)->json(patient(), {.path = "/services"}));
  EXPECT_TRUE(second.requests().empty());

  first.reset();
  // What may have been done is not done again by somebody else.
  const EngineRequest write{.method = "POST", .path = "/services/create", .body = "{}"};
  const auto lost = (*engine)->json(patient(), write);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, ErrorKind::unreachable);
  EXPECT_TRUE(second.requests().empty());
  EXPECT_TRUE((*engine)->json(patient(), {.path = "/services"}));
  EXPECT_EQ((*engine)->name(), second.socket());
  EXPECT_TRUE(said.empty());
}

TEST(EngineTest, AQuestionGoesToAnotherManagerAtOnce) {
  auto first = std::make_unique<FakeEngine>();
  const FakeEngine second;
  const auto engine =
      Engine::connect_manager(patient(), {*parse_engine_endpoint("unix://" + first->socket()),
                                          *parse_engine_endpoint("unix://" + second.socket())});
  ASSERT_TRUE(engine) << engine.error().message;
  first.reset();
  const auto answer = (*engine)->json(patient(), {.path = "/services"});
  EXPECT_TRUE(answer) << answer.error().message;
}

TEST(EngineTest, WhenNoneAnswersWellTheOneThatRunsIsHeard) {
  auto first = std::make_unique<FakeEngine>();
  auto second = std::make_unique<FakeEngine>();
  const auto engine =
      Engine::connect_manager(patient(), {*parse_engine_endpoint("unix://" + first->socket()),
                                          *parse_engine_endpoint("unix://" + second->socket())});
  ASSERT_TRUE(engine) << engine.error().message;
  second->set_answer([](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path != "/services") return std::nullopt;
    return FakeEngine::Answer{503, R"({"message":"This node is not a swarm manager."})"};
  });
  const std::string gone = first->socket();
  first.reset();
  const auto told = (*engine)->json(patient(), {.path = "/services"});
  ASSERT_FALSE(told);
  EXPECT_NE(told.error().message.find("not a swarm manager"), std::string::npos)
      << told.error().message;
  const std::string other = second->socket();
  second.reset();
  const auto both = (*engine)->json(patient(), {.path = "/services"});
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().kind, ErrorKind::unreachable);
  for (const std::string& socket : {gone, other})
    EXPECT_NE(both.error().message.find(socket), std::string::npos) << both.error().message;
}

TEST(EngineTest, EachManagerIsAskedInItsOwnVersion) {
  FakeEngine first("1.45");
  FakeEngine second("1.41");
  const auto engine =
      Engine::connect_manager(patient(), {*parse_engine_endpoint("unix://" + first.socket()),
                                          *parse_engine_endpoint("unix://" + second.socket())});
  ASSERT_TRUE(engine) << engine.error().message;
  // It has lost its leader, or is no manager any more.
  first.set_answer([](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path != "/services") return std::nullopt;
    return FakeEngine::Answer{503, R"({"message":"This node is not a swarm manager."})"};
  });
  EXPECT_TRUE((*engine)->json(patient(), {.path = "/services"}));
  EXPECT_EQ((*engine)->name(), second.socket());
  ASSERT_GE(second.requests().size(), 2U);
  EXPECT_EQ(second.requests().front().path, "/_ping");
}

TEST(EngineTest, AManagerOfAnotherSwarmDoesNotStandIn) {
  auto first = std::make_unique<FakeEngine>();
  FakeEngine second;
  be(*first, R"({"LocalNodeState":"active","ControlAvailable":true,"Cluster":{"ID":"one"}})");
  be(second, R"({"LocalNodeState":"active","ControlAvailable":true,"Cluster":{"ID":"two"}})");
  const auto engine =
      Engine::connect_manager(patient(), {*parse_engine_endpoint("unix://" + first->socket()),
                                          *parse_engine_endpoint("unix://" + second.socket())});
  ASSERT_TRUE(engine) << engine.error().message;
  first.reset();
  const auto answer = (*engine)->json(patient(), {.path = "/services"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::unreachable);
  for (const FakeEngine::Request& request : second.requests()) EXPECT_NE(request.path, "/services");
}

TEST(EngineTest, TakesTheFirstManagerThatIsWell) {
  FakeEngine worker;
  be(worker, R"({"LocalNodeState":"active","ControlAvailable":false})");
  const FakeEngine manager;
  std::vector<std::string> said;
  const auto say = [&](const std::string& text) { said.push_back(text); };
  const auto of = [](const FakeEngine& fake) {
    return *parse_engine_endpoint("unix://" + fake.socket());
  };
  const EngineEndpoint absent = *parse_engine_endpoint("unix:///nowhere/docker.sock");
  const auto engine = Engine::connect_manager(patient(), {absent, of(worker), of(manager)}, say);
  ASSERT_TRUE(engine) << engine.error().message;
  EXPECT_EQ((*engine)->name(), manager.socket());
  ASSERT_EQ(said.size(), 2U);
  EXPECT_NE(said[0].find("/nowhere/docker.sock"), std::string::npos) << said[0];
  EXPECT_NE(said[1].find("is no manager"), std::string::npos) << said[1];

  const auto none = Engine::connect_manager(patient(), {absent, of(worker)});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("/nowhere/docker.sock"), std::string::npos);
  EXPECT_NE(none.error().message.find("is no manager"), std::string::npos);
}

TEST(EngineTest, WritesFilters) {
  const std::vector<std::pair<std::string, std::string>> terms{{"label", "a=b"}, {"name", "x y"}};
  EXPECT_EQ(engine_filter(terms),
            "filters=%7B%22label%22%3A%7B%22a%3Db%22%3Atrue%7D%2C%22name%22%3A%7B%22x%20y%22%"
            "3Atrue%7D%7D");
}

TEST(EngineTest, FollowsWhatHasNoEnd) {
  FakeEngine fake;
  const auto engine = connect_to(fake);
  ASSERT_TRUE(engine);
  std::string heard;
  const EngineRequest request{.path = "/events", .sink = [&](std::string_view piece) {
                                heard += piece;
                                return heard.size() < 6;
                              }};
  std::jthread teller([&] {
    EXPECT_TRUE(comes_true([&] { return fake.listeners() == 1; }));
    fake.tell("one");
    fake.tell("two");
  });
  EXPECT_TRUE((*engine)->follow(patient(), request));
  EXPECT_EQ(heard, "onetwo");
  EXPECT_TRUE(comes_true([&] { return fake.listeners() == 0; }));
  fake.set_answer([](const FakeEngine::Request&) -> std::optional<FakeEngine::Answer> {
    return FakeEngine::Answer{403, R"({"message":"not for you"})"};
  });
  const auto refused = (*engine)->follow(patient(), request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::permission);
}

// Of those that the way to it bears, as commands of a host do.
TEST(EngineTest, WhatIsFollowedTakesOneOfTheConnections) {
  FakeEngine fake;
  auto endpoint = *parse_engine_endpoint("unix://" + fake.socket());
  endpoint.most_connections = [] { return std::size_t{4}; };
  const auto engine = Engine::connect(patient(), endpoint);
  ASSERT_TRUE(engine);
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path == "/events") return std::nullopt;
    const int here = ++now;
    for (int before = most; before < here && !most.compare_exchange_weak(before, here);) continue;
    ::poll(nullptr, 0, 30);  // so that the others come meanwhile
    --now;
    return FakeEngine::Answer{200, "[]"};
  });
  const std::vector<EngineRequest> many(12, EngineRequest{.path = "/services"});
  (void)(*engine)->ask_all(patient(), many);
  EXPECT_EQ(most, 4);
  most = 0;
  std::jthread follower([&](const std::stop_token& stop) {
    const EngineRequest events{.path = "/events", .sink = [](std::string_view) { return true; }};
    (void)(*engine)->follow(Budget::of(Milliseconds{20'000}, stop), events);
  });
  ASSERT_TRUE(comes_true([&] { return fake.listeners() == 1; }));
  (void)(*engine)->ask_all(patient(), many);
  EXPECT_EQ(most, 3);
}

}  // namespace
}  // namespace pca
