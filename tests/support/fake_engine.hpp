#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace pca::test {

// A Docker Engine that manages a swarm in which nothing ever runs: it keeps what is created,
// answers what docker stack deploy and swarm-deploy ask, and remembers every request. On a unix
// socket, several clients at once.
class FakeEngine {
 public:
  struct Request {
    std::string method;
    std::string path;  // without the API's version and the query
    std::string query;
    std::string registry_auth;
    Json body;  // null when there is none
  };
  struct Answer {
    int status = 200;
    std::string body;
  };

  explicit FakeEngine(std::string api_version = "1.41");
  ~FakeEngine();
  FakeEngine(const FakeEngine&) = delete;
  FakeEngine& operator=(const FakeEngine&) = delete;

  [[nodiscard]] std::string socket() const;
  [[nodiscard]] std::vector<Request> requests() const;
  // Those that change something.
  [[nodiscard]] std::vector<Request> writes() const;
  // What is answered instead, where it gives something. Called from several threads.
  void set_answer(std::function<std::optional<Answer>(const Request&)> answer);
  // Whose answers nobody gets: what was asked for is done, and the connection ends.
  void lose_answers(std::function<bool(const Request&)> is_lost);
  // Whose answers become a 502 although what was asked for is done.
  void spoil_answers(std::function<bool(const Request&)> is_spoiled);
  // How much the clock of the swarm differs from ours.
  void set_clock(std::chrono::seconds offset);
  // Tells all who listen at /events: text as it is, so an event wants its line break. Whether
  // anybody listens.
  bool tell(const std::string& text);
  // Ends the answers of those.
  void end_events();
  [[nodiscard]] std::size_t listeners() const;
  // Adds a node or a task, or puts it in place of the one with the same ID.
  void put(const std::string& kind, const Json& object);
  // What a registry says of an image, by its full reference; it knows no others.
  void put_image(const std::string& image, const Json& distribution);
  // All that is there of a kind, by ID.
  [[nodiscard]] std::map<std::string, Json> all(const std::string& kind) const;
  // The configs, secrets, services or networks that are there, by name.
  [[nodiscard]] std::map<std::string, Json> objects(const std::string& kind) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pca::test
