#include "swarm-deploy/swarm_events.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "support/comes_true.hpp"
#include "support/fake_engine.hpp"

namespace pca::swarm_deploy {
namespace {

using test::comes_true;
using test::FakeEngine;

std::string event(const std::string& type, const std::string& action,
                  const std::string& attributes) {
  return fmt::format(
      R"({{"Type":"{}","Action":"{}","Actor":{{"ID":"x1","Attributes":{{{}}}}},"scope":"swarm",)"
      R"("time":1764434000,"timeNano":1764434000123456789}})",
      type, action, attributes);
}

std::string service_event(const std::string& name) {
  return event("service", "update",
               fmt::format(R"("name":"{}","updatestate.new":"updating")", name));
}

std::string container_event(const std::string& stack, const std::string& action = "start") {
  return event("container", action,
               fmt::format(R"("com.docker.stack.namespace":"{}","image":"app:v1",)"
                           R"("com.docker.swarm.service.name":"{}_web","name":"{}_web.1.abc")",
                           stack, stack, stack));
}

std::vector<std::string> lines_of(const std::string& text, std::size_t piece) {
  EventLines lines;
  std::vector<std::string> found;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    lines.add(std::string_view(text).substr(at, piece),
              [&](std::string_view line) { found.emplace_back(line); });
  }
  return found;
}

TEST(EventLinesTest, AreWholeHoweverTheyCome) {
  const std::string text = "{\"a\":1}\n\n{\"b\":2}\r\nhalf";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    EXPECT_EQ(lines_of(text, piece), (std::vector<std::string>{"{\"a\":1}", "", "{\"b\":2}\r"}));
  }
}

TEST(EventLinesTest, WhatIsTooLongIsLeftOut) {
  const std::string fits(EventLines::longest, 'x');
  const std::string text =
      "a\n" + fits + "y\n" + fits + "\n" + std::string(3'000'000, 'z') + "\nb\n";
  for (const std::size_t piece : {std::size_t{1000}, std::size_t{16384}, text.size()}) {
    EXPECT_EQ(lines_of(text, piece), (std::vector<std::string>{"a", fits, "b"})) << piece;
  }
}

TEST(EventOfStackTest, KnowsWhatIsAboutItsServices) {
  EXPECT_EQ(event_of_stack(service_event("shop_web"), "shop"), "service shop_web: update");
  EXPECT_EQ(event_of_stack(container_event("shop"), "shop"), "container shop_web: start");
  EXPECT_EQ(event_of_stack(container_event("shop", "health_status: healthy"), "shop"),
            "container shop_web: health_status: healthy");
  EXPECT_EQ(event_of_stack(event("node", "update", R"("name":"node2","state.new":"down")"), "shop"),
            "node node2: update");
  EXPECT_EQ(
      event_of_stack(event("node", "update", R"("name":"n","availability.new":"drain")"), "shop"),
      "node n: update");
}

TEST(EventOfStackTest, IsNothingElse) {
  for (const std::string& other :
       {service_event("shopping_web"), service_event("other_web"), service_event("shop"),
        container_event("shopping"), event("container", "start", R"("name":"shop_web.1.abc")"),
        event("node", "update", R"("name":"node2","role.new":"manager")"),
        event("secret", "update", R"("name":"shop_s")"),
        std::string(R"({"Type":"service","Action":"update"})"),
        std::string(R"({"Type":"service","Actor":{"Attributes":[]}})"),
        std::string(R"({"Type":1,"Actor":{"Attributes":{"name":2}}})"), std::string("null"),
        std::string("{"), std::string("garbage"), std::string(40'000, '['), std::string()}) {
    EXPECT_EQ(event_of_stack(other, "shop"), std::nullopt) << other.substr(0, 200);
  }
}

TEST(EventOfStackTest, TextOfOthersIsSafeToShow) {
  const auto text =
      event_of_stack(service_event("shop_web\\n::error::" + std::string(1000, 'x')), "shop");
  ASSERT_TRUE(text);
  EXPECT_EQ(text->find('\n'), std::string::npos);
  EXPECT_LT(text->size(), 300U);
}

class SwarmEventsTest : public ::testing::Test {
 protected:
  // Begins to listen, and is heard.
  SwarmEvents& listening() {
    events.emplace(*engine, reporter, "shop");
    EXPECT_FALSE(events->pause(patient(), Milliseconds{1}));
    EXPECT_TRUE(comes_true([&] { return fake.listeners() == 1; }));
    return *events;
  }
  static Budget patient() { return Budget::of(Milliseconds{60'000}); }
  // Only an event ends it before the test's time is over.
  static constexpr Milliseconds long_pause{50'000};

  [[nodiscard]] std::size_t times_asked() const {
    const auto all = fake.requests();
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(),
        [](const FakeEngine::Request& request) { return request.path == "/events"; }));
  }
  void answer_events_with(int status, const std::string& body) {
    fake.set_answer([=](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
      if (request.path != "/events") return std::nullopt;
      return FakeEngine::Answer{status, body};
    });
  }
  // Nothing is heard, and that is told once.
  void expect_silence(const std::string& why) {
    events.emplace(*engine, reporter, "shop");
    EXPECT_TRUE(comes_true([&] {
      EXPECT_FALSE(events->pause(patient(), Milliseconds{1}));
      return said.find(why) != std::string::npos;
    })) << said;
    const std::string so_far = said;
    EXPECT_FALSE(events->pause(patient(), Milliseconds{1}));
    EXPECT_EQ(said, so_far);
    EXPECT_EQ(times_asked(), 1U);
  }

  FakeEngine fake;
  std::unique_ptr<Engine> engine =
      *Engine::connect(patient(), *parse_engine_endpoint("unix://" + fake.socket()));
  Redactor redactor;
  std::string said;
  Reporter reporter{settings(), redactor};
  std::optional<SwarmEvents> events;
  ReporterSettings settings() {
    ReporterSettings made;
    made.debug = true;
    made.out = [](std::string_view) { return 0; };
    made.err = [this](std::string_view text) { said += text; };
    return made;
  }
};

TEST_F(SwarmEventsTest, AnEventEndsAPauseAtOnce) {
  SwarmEvents& heard = listening();
  for (const std::string& one : {service_event("shop_web"), container_event("shop")}) {
    const auto start = Clock::now();
    std::jthread teller([&] { fake.tell(one + "\n"); });
    EXPECT_TRUE(heard.pause(patient(), long_pause));
    EXPECT_LT(ms_since(start), 20'000);
  }
  EXPECT_NE(said.find("because of an event: service shop_web: update"), std::string::npos) << said;
  EXPECT_NE(said.find("because of an event: container shop_web: start"), std::string::npos);
  EXPECT_EQ(times_asked(), 1U);
}

TEST_F(SwarmEventsTest, TheEngineIsAskedForNoMoreThanThat) {
  listening();
  const auto all = fake.requests();
  EXPECT_EQ(all.back().path, "/events");
  EXPECT_EQ(
      all.back().query,
      R"(filters={"type":{"service":true,"container":true,"node":true},)"
      R"("event":{"update":true,"remove":true,"start":true,"die":true,"health_status":true}})");
}

TEST_F(SwarmEventsTest, AnEventBetweenTwoPausesIsNotLost) {
  SwarmEvents& heard = listening();
  fake.tell(service_event("shop_web") + "\n");
  EXPECT_TRUE(heard.pause(patient(), long_pause));
  EXPECT_FALSE(heard.pause(patient(), Milliseconds{300}));  // and counts once
}

TEST_F(SwarmEventsTest, WhatIsNotOfTheStackWakesNobody) {
  SwarmEvents& heard = listening();
  fake.tell(service_event("other_web") + "\n" + container_event("shopping") + "\ngarbage\n{\n\n");
  fake.tell("{\"Type\":\"service\", \"Actor\":");
  fake.tell(std::string(100'000, '[') + "\n");
  fake.tell(std::string("\0\xff\xfe\n", 4));
  EXPECT_FALSE(heard.pause(patient(), Milliseconds{500}));
  // Half of an event, and its rest.
  const std::string one = service_event("shop_web") + "\n";
  fake.tell(one.substr(0, 20));
  EXPECT_FALSE(heard.pause(patient(), Milliseconds{300}));
  fake.tell(one.substr(20));
  EXPECT_TRUE(heard.pause(patient(), long_pause));
  // Behind a line that nobody can want.
  fake.tell(std::string(1'000'000, 'x') + "\n" + one);
  EXPECT_TRUE(heard.pause(patient(), long_pause));
}

TEST_F(SwarmEventsTest, AStormMakesFourLooksASecond) {
  SwarmEvents& heard = listening();
  std::jthread storm([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      fake.tell(service_event("shop_web") + "\n");
      ::poll(nullptr, 0, 1);
    }
  });
  const auto start = Clock::now();
  constexpr int looks = 6;
  for (int i = 0; i < looks; ++i) EXPECT_TRUE(heard.pause(patient(), long_pause));
  EXPECT_GE(ms_since(start), looks * 250);
  EXPECT_LT(ms_since(start), 20'000);
}

TEST_F(SwarmEventsTest, AFloodIsNotListenedTo) {
  SwarmEvents& heard = listening();
  const std::string junk(std::size_t{1024} * 1024, '\n');
  EXPECT_TRUE(comes_true([&] { return !fake.tell(junk); }));
  EXPECT_TRUE(comes_true([&] {
    EXPECT_FALSE(heard.pause(patient(), Milliseconds{1}));
    return said.find("more than anybody could use") != std::string::npos;
  })) << said;
  EXPECT_EQ(times_asked(), 1U);
}

TEST_F(SwarmEventsTest, AnEngineThatTellsNothingIsNoTrouble) {
  answer_events_with(404, R"({"message":"page not found"})");
  expect_silence("page not found");
}

TEST_F(SwarmEventsTest, AnEngineThatFailsIsNoTrouble) {
  answer_events_with(500, std::string(200'000, 'x'));
  expect_silence("No events are heard any more");
}

TEST_F(SwarmEventsTest, AnAnswerThatEndsIsNoTrouble) {
  answer_events_with(200, service_event("other_web") + "\n" + service_event("shop"));
  expect_silence("the Engine ended its answer");
}

TEST_F(SwarmEventsTest, AConnectionThatIsCutIsNoTrouble) {
  fake.lose_answers([](const FakeEngine::Request& request) { return request.path == "/events"; });
  events.emplace(*engine, reporter, "shop");
  EXPECT_TRUE(comes_true([&] {
    EXPECT_FALSE(events->pause(patient(), Milliseconds{1}));
    return said.find("No events are heard any more") != std::string::npos;
  })) << said;
}

TEST_F(SwarmEventsTest, AnAnswerThatEndsLateIsNoTrouble) {
  SwarmEvents& heard = listening();
  fake.end_events();
  EXPECT_TRUE(comes_true([&] {
    EXPECT_FALSE(heard.pause(patient(), Milliseconds{1}));
    return said.find("No events are heard any more") != std::string::npos;
  })) << said;
  EXPECT_EQ(times_asked(), 1U);
}

TEST_F(SwarmEventsTest, ACancelEndsAPauseAndItsEndLeavesNobodyListening) {
  SwarmEvents& heard = listening();
  std::stop_source stop;
  const auto start = Clock::now();
  std::jthread canceller([&] { stop.request_stop(); });
  EXPECT_FALSE(heard.pause(Budget::of(Milliseconds{60'000}, stop.get_token()), long_pause));
  EXPECT_EQ(fake.listeners(), 1U);  // taking back is waited for, too
  events.reset();
  EXPECT_LT(ms_since(start), 10'000);
  EXPECT_TRUE(comes_true([&] { return fake.listeners() == 0; }));
}

TEST_F(SwarmEventsTest, WhoNeverWaitsAsksForNothing) {
  events.emplace(*engine, reporter, "shop");
  events.reset();
  EXPECT_EQ(times_asked(), 0U);
}

}  // namespace
}  // namespace pca::swarm_deploy
