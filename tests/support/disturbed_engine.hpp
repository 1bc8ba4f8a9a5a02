#pragma once

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/comes_true.hpp"
#include "support/fake_engine.hpp"
#include "support/swarm_step.hpp"

namespace pca::test {

// What happens to one request of swarm-deploy.
enum class Disturbance { refused, lost, killed_before, killed_after, cancelled, read_refused };

// Those of writes; a cancel may come with any request.
inline constexpr std::array<std::pair<Disturbance, const char*>, 5> of_writes{
    {{Disturbance::refused, "is refused"},
     {Disturbance::lost, "is done, and its answer is lost"},
     {Disturbance::killed_before, "is never done, and the tool is killed"},
     {Disturbance::killed_after, "is done, and the tool is killed"},
     {Disturbance::cancelled, "is done, and a cancel comes before its answer"}}};

struct Disturbed {
  bool is_reached = false;  // there were as many requests
  std::string request;
  SwarmStep::Result done;
};

struct DisturbedCommand {
  std::string name;  // "preview up"
  std::vector<std::string> arguments;
};

// Runs it on `place` (with an `engine`, a `step`, and `answer()`, which says what is answered
// instead of what a FakeEngine would), and disturbs its request number `which`, from 0.
template <typename Place>
Disturbed disturb(Place& place, const DisturbedCommand& command, Disturbance how, int which) {
  struct Look {  // outlives a connection whose tool was killed
    std::mutex mutex;
    int count = 0;
    std::string request;
    std::atomic<pid_t> tool = 0;
  };
  const auto look = std::make_shared<Look>();
  const auto is_it = [look, how, which](const FakeEngine::Request& request) {
    const bool is_read = request.method == "GET" || request.method == "HEAD";
    const bool counts =
        how == Disturbance::cancelled || is_read == (how == Disturbance::read_refused);
    if (!counts) return false;
    const std::lock_guard lock(look->mutex);
    if (look->count++ != which) return false;
    look->request = request.method + " " + request.path;
    return true;
  };
  const auto end_tool = [look](int signal) {
    EXPECT_TRUE(comes_true([&] { return look->tool != 0; }));
    ::kill(look->tool, signal);
  };
  if (how == Disturbance::lost) place.engine.lose_answers(is_it);
  if (how == Disturbance::cancelled) {
    place.engine.spoil_answers([is_it, end_tool](const FakeEngine::Request& request) {
      if (is_it(request)) end_tool(SIGTERM);
      return false;
    });
  }
  place.engine.set_answer(
      [&place, is_it, end_tool,
       how](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
        const bool comes_later = how == Disturbance::lost || how == Disturbance::cancelled;
        if (comes_later || !is_it(request)) return place.answer(request);
        if (how == Disturbance::refused || how == Disturbance::read_refused)
          return FakeEngine::Answer{500, R"({"message":"the disk is full"})"};
        end_tool(SIGKILL);
        if (how == Disturbance::killed_before) return FakeEngine::Answer{500, "{}"};
        return place.answer(request);
      });
  Process process = place.step.start(command.name, command.arguments);
  look->tool = process.pid();
  const auto done = place.step.result_of(process);
  place.engine.lose_answers({});
  place.engine.spoil_answers({});
  place.engine.set_answer({});
  const std::lock_guard lock(look->mutex);
  return {!look->request.empty(), look->request, done};
}

}  // namespace pca::test
