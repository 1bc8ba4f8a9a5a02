#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/budget.hpp"
#include "base/json.hpp"
#include "base/secret.hpp"
#include "net/http.hpp"

namespace pca {

// One request to a Docker Engine. Paths come without the API's version: "/services?status=true".
struct EngineRequest {
  std::string method = "GET";
  std::string path;
  std::string body = {};                         // JSON; sent with POST
  std::string registry_auth = {};                // X-Registry-Auth of nobody in particular
  const Secret* secret_registry_auth = nullptr;  // the same with credentials, borrowed
  std::size_t answer_limit = std::size_t{32} * 1024 * 1024;
};

struct EngineAnswer {
  int status = 0;
  std::string body;

  [[nodiscard]] bool is_good() const { return status >= 200 && status < 300; }
  // What the Engine says of a failure, visible().
  [[nodiscard]] std::string message() const;
};

// Where an Engine listens. Each connection is one HttpTransport, so that another way to it (TLS, a
// channel of an SSH session) is another `make_transport`.
struct EngineEndpoint {
  std::string name;         // for messages
  std::string unix_socket;  // path
  std::function<std::unique_ptr<HttpTransport>()> make_transport;
};
// Of "unix:///var/run/docker.sock". bad_input for what is none.
[[nodiscard]] Result<EngineEndpoint> parse_engine_endpoint(const std::string& text);

// The API of a Docker Engine, in the newest version that both sides know. Connections are kept and
// used again. Thread safe.
class Engine {
 public:
  // Asks for the API's version. Errors: unreachable, permission; failed for an Engine that is older
  // than the oldest version that is spoken here (1.40), or no Engine.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> connect(const Budget& budget,
                                                               EngineEndpoint endpoint);

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

  // Asks whether this Engine manages a swarm that has a leader. The error says what it is instead.
  [[nodiscard]] Result<> check_manager(const Budget& budget);

  [[nodiscard]] const std::string& version() const { return version_; }  // "1.41"
  [[nodiscard]] int minor_version() const { return minor_version_; }     // 41
  [[nodiscard]] const std::string& name() const { return endpoint_.name; }

 private:
  explicit Engine(EngineEndpoint endpoint) : endpoint_(std::move(endpoint)) {}
  [[nodiscard]] Result<HttpResponse> send(const Budget& budget, const EngineRequest& request,
                                          const std::string& path);
  std::unique_ptr<HttpTransport> take_transport();
  void give_back(std::unique_ptr<HttpTransport> transport);

  EngineEndpoint endpoint_;
  std::string version_;
  int minor_version_ = 0;
  std::mutex mutex_;
  std::vector<std::unique_ptr<HttpTransport>> idle_;
};

// What stands in its way when an answer is not good.
[[nodiscard]] Error engine_error(const EngineRequest& request, const EngineAnswer& answer);

// "filters=..." of a query; {"label": {"a=b": true}}, percent-encoded, for {{"label", "a=b"}}.
[[nodiscard]] std::string engine_filter(std::span<const std::pair<std::string, std::string>> terms);
// For a name in a path or a query.
[[nodiscard]] std::string percent_encoded(std::string_view text);

}  // namespace pca
