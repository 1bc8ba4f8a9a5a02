#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/budget.hpp"
#include "base/json.hpp"
#include "base/percent.hpp"
#include "base/secret.hpp"
#include "net/http.hpp"
#include "net/tls.hpp"

namespace pca {

// One request to a Docker Engine. Paths come without the API's version: "/services?status=true".
struct EngineRequest {
  std::string method = "GET";
  std::string path;
  std::string body = {};                         // JSON; sent with POST
  std::string registry_auth = {};                // X-Registry-Auth of nobody in particular
  const Secret* secret_registry_auth = nullptr;  // the same with credentials, borrowed
  std::size_t answer_limit = std::size_t{32} * 1024 * 1024;
  HttpSink sink = {};  // of follow()
};

struct EngineAnswer {
  int status = 0;
  std::string body;

  [[nodiscard]] bool is_good() const { return status >= 200 && status < 300; }
  // What the Engine says of a failure, visible().
  [[nodiscard]] std::string message() const;
};

// Where an Engine listens, and how it is reached. Each connection is one HttpTransport, so that
// another way to it (a channel of an SSH session) is another `make_transport`.
struct EngineEndpoint {
  std::string name;              // for messages
  std::string unix_socket = {};  // path on the Engine's machine; or
  std::string host = {};         // TCP, always with TLS
  std::uint16_t port = 0;
  std::shared_ptr<const TlsSettings> tls = {};
  std::function<std::unique_ptr<HttpTransport>()> make_transport = {};
  bool is_here = true;                 // the socket is one of this machine
  Milliseconds connect_limit{15'000};  // until the first answer
  // How many connections at once the way to it bears; empty = as many as are wanted.
  std::function<std::size_t()> most_connections = {};
};
// Of "unix:///var/run/docker.sock" or "tcp://NAME[:PORT]", reached from here. bad_input for what is
// none.
[[nodiscard]] Result<EngineEndpoint> parse_engine_endpoint(
    const std::string& text, std::shared_ptr<const TlsSettings> tls = {});

// The API of a Docker Engine, in the newest version that both sides know. Connections are kept and
// used again. Of several managers of one swarm, another is asked when one does not answer: at once
// for GET; what was to be written may have been, so that is an error, and the next request goes to
// the other. Thread safe.
class Engine {
 public:
  // Asks for the API's version. Errors: unreachable, permission; failed for an Engine that is older
  // than the oldest version that is spoken here (1.40), or no Engine.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> connect(const Budget& budget,
                                                               EngineEndpoint endpoint);
  // The first of them that check_manager() finds well. `say` hears of the others. Errors: all of
  // theirs.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> connect_manager(
      const Budget& budget, std::vector<EngineEndpoint> endpoints,
      const std::function<void(const std::string&)>& say = {});

  // Any status is an answer.
  [[nodiscard]] Result<EngineAnswer> ask(const Budget& budget, const EngineRequest& request);
  // All of them, up to eight at a time; the answers in their order.
  [[nodiscard]] std::vector<Result<EngineAnswer>> ask_all(const Budget& budget,
                                                          std::span<const EngineRequest> requests);
  // The JSON of a good answer; any other is an Error that names the request. Kinds: permission for
  // 401 and 403, conflict for 409 and a service that changed meanwhile, failed for others
  // (transient for 503).
  [[nodiscard]] Result<Json> json(const Budget& budget, const EngineRequest& request);
  [[nodiscard]] std::vector<Result<Json>> json_all(const Budget& budget,
                                                   std::span<const EngineRequest> requests);

  // Asks for what has no end, as events: request.sink gets a good answer as it arrives, until it
  // wants no more. Only the Engine that is asked now, which is not asked again when it ends; takes
  // one of the connections that the way to it bears. Errors: those of json().
  [[nodiscard]] Result<> follow(const Budget& budget, const EngineRequest& request);

  // Asks whether this Engine manages a swarm that has a leader. The error says what it is instead.
  [[nodiscard]] Result<> check_manager(const Budget& budget);

  // How much the swarm's clock was ahead of ours when check_manager() asked; nothing before.
  [[nodiscard]] std::optional<Milliseconds> clock_offset() const { return clock_offset_; }

  // Of the one that was connected to: 41 for "1.41".
  [[nodiscard]] int minor_version() const { return minor_version_; }
  // Of the one that is asked now.
  [[nodiscard]] std::string name() const;

 private:
  // A connection to one of the endpoints.
  struct Connection {
    std::size_t endpoint = 0;
    std::unique_ptr<HttpTransport> transport;
  };

  explicit Engine(std::vector<EngineEndpoint> endpoints) : endpoints_(std::move(endpoints)) {}
  [[nodiscard]] Result<int> ping(const Budget& budget, std::size_t endpoint);  // its version
  [[nodiscard]] Result<HttpResponse> send(const Budget& budget, const EngineRequest& request);
  [[nodiscard]] Result<HttpResponse> send_to(const Budget& budget, std::size_t endpoint,
                                             const EngineRequest& request);
  [[nodiscard]] Result<> check_swarm(const Budget& budget, std::size_t endpoint, int version);
  [[nodiscard]] Result<HttpResponse> exchange(const Budget& budget, std::size_t endpoint,
                                              const EngineRequest& request,
                                              const std::string& path);
  [[nodiscard]] std::size_t current() const;
  void move_on(std::size_t from, std::size_t to);
  Connection take(std::size_t endpoint);
  void give_back(Connection connection);

  const std::vector<EngineEndpoint> endpoints_;  // not empty
  int minor_version_ = 0;
  std::atomic<std::size_t> followed_ = 0;  // answers that have no end
  std::string swarm_id_;                   // of the one that check_manager() found well
  std::optional<Milliseconds> clock_offset_;
  mutable std::mutex mutex_;
  std::map<std::size_t, int> versions_;  // of those that were asked, by their place
  std::size_t current_ = 0;
  std::vector<Connection> idle_;
};

// What stands in its way when an answer is not good.
[[nodiscard]] Error engine_error(const EngineRequest& request, const EngineAnswer& answer);

// "filters=..." of a query; {"label": {"a=b": true}}, percent-encoded, for {{"label", "a=b"}}.
[[nodiscard]] std::string engine_filter(std::span<const std::pair<std::string, std::string>> terms);

}  // namespace pca
