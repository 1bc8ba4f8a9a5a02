#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "net/engine.hpp"
#include "net/file_descriptor.hpp"
#include "runner/reporter.hpp"

namespace pca::swarm_deploy {

// The whole lines of a text that comes in pieces. One that is longer than an event may be is left
// out.
class EventLines {
 public:
  static constexpr std::size_t longest = std::size_t{64} * 1024;

  void add(std::string_view piece, const std::function<void(std::string_view line)>& take);

 private:
  std::string begun_;
  bool is_too_long_ = false;
};

// What an event says of the services of a stack, for people: "service shop_web: update". A service
// that is updated or removed, a container of one that starts, ends or becomes healthy, a node that
// comes, goes or is drained. Nothing for all else and for what is no event.
[[nodiscard]] std::optional<std::string> event_of_stack(std::string_view line,
                                                        const std::string& stack);

// Hears of a stack's services while they are waited for, so that nobody has to look for what is not
// there yet. It only makes waiting shorter: where an Engine tells of nothing, or tells nonsense, or
// its answer ends, the services are looked at as often as without it. Containers are told of by
// their own Engine only, services and nodes by each manager; tasks by nobody.
class SwarmEvents {
 public:
  // At most four looks a second, however much happens: what is told of is seen by the swarm a
  // little later anyway.
  static constexpr Milliseconds shortest_pause{250};

  // Borrows both.
  SwarmEvents(Engine& engine, Reporter& reporter, std::string stack);
  ~SwarmEvents();  // listens no more
  SwarmEvents(const SwarmEvents&) = delete;
  SwarmEvents& operator=(const SwarmEvents&) = delete;

  // Waits that long, or until something has happened since the last call: true then. The first one
  // begins to listen.
  bool pause(const Budget& budget, Milliseconds length);

 private:
  void listen(const std::stop_token& stop);
  void note(const std::string& event);
  [[nodiscard]] std::optional<std::string> take_heard();
  void tell_end();

  Engine& engine_;
  Reporter& reporter_;
  const std::string stack_;
  FileDescriptor wake_;

  std::mutex mutex_;
  std::optional<std::string> heard_;  // the first since it was asked for; wake_ is set then
  std::string ended_;                 // why, until it is told

  std::jthread listener_;  // ends before what it uses
};

}  // namespace pca::swarm_deploy
