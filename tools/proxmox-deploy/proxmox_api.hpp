#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/budget.hpp"
#include "base/json.hpp"
#include "base/secret.hpp"
#include "base/utc_time.hpp"
#include "net/host_address.hpp"
#include "net/http.hpp"
#include "net/tls.hpp"
#include "proxmox-deploy/api_error.hpp"
#include "proxmox-deploy/api_form.hpp"

namespace pca::proxmox_deploy {

// How the API of a cluster is reached. Made from the inputs (api_inputs).
struct ApiWay {
  std::vector<HostAddress> hosts;  // nodes of one cluster, tried in this order; not empty
  std::shared_ptr<const TlsSettings> tls;
  std::shared_ptr<const Secret> token;  // "PVEAPIToken=USER@REALM!ID=UUID"
  // What a proxy on the way wants to see besides.
  std::vector<std::pair<std::string, std::shared_ptr<const Secret>>> secret_headers = {};
  bool reaches_nodes = true;  // by the addresses that the cluster knows them by
  Milliseconds connect_limit{15'000};
  std::function<std::unique_ptr<HttpTransport>(const HostAddress&)> make_transport = {};
};

// Why a call failed, with what it is about.
struct ApiFailure : Error {
  Trouble trouble = Trouble::other;

  ApiFailure(Error error, Trouble about = Trouble::other)  // NOLINT
      : Error(std::move(error)), trouble(about) {}
};
template <typename T = void>
using ApiResult = Result<T, ApiFailure>;

struct ApiRequest {
  std::string method = "GET";
  std::string path;            // "/nodes/pve1/qemu"
  Parameters parameters = {};  // in the query of GET and DELETE, else the form
  std::string node = {};       // whose it is: asked directly where that is possible
  bool has_secrets = false;    // its form is wiped
  // Sent in place of a form, however long that takes; borrowed.
  const HttpBodySource* body = nullptr;
  std::string content_type = {};  // of `body`
  std::size_t answer_limit = std::size_t{32} * 1024 * 1024;
  // Of one that changes something: what it answered, when the answer was lost, and it took effect.
  // Without it a lost answer is an error.
  std::function<ApiResult<std::optional<Json>>(const Budget&)> find_done = {};
};

// The API of one Proxmox VE cluster. Of several hosts another is asked when one does not answer:
// at once for what never went out and for GET; a write that got no answer is sent again only when
// it went over a connection that had been used before, nothing came back and `find_done` found
// nothing; else it is an error of the kind outcome_unknown. A write that is on its way at a cancel
// has a moment to be answered. Connections are kept. Not thread safe.
class ProxmoxApi {
 public:
  // Asks for the version. `say` hears of hosts that do not answer. Errors: those of all hosts.
  [[nodiscard]] static ApiResult<std::unique_ptr<ProxmoxApi>> connect(
      const Budget& budget, ApiWay way, std::function<void(const std::string&)> say = {});

  // The `data` of a good answer.
  [[nodiscard]] ApiResult<Json> ask(const Budget& budget, const ApiRequest& request);
  // The same; what is busy is asked again while the budget lasts.
  [[nodiscard]] ApiResult<Json> ask_patiently(const Budget& budget, const ApiRequest& request);

  // Calls `beat` before a request when the last call of it is `interval` ago by the cluster's
  // clock, and whoever waits for something else calls keep_alive() meanwhile. Empty = no more.
  void set_heartbeat(Milliseconds interval, std::function<void()> beat);
  void keep_alive();

  // Learns where the cluster's nodes are, so that each is asked directly; their certificates'
  // fingerprints too, where those are what is trusted. A token that may not know stays with the
  // host that it has: no error.
  void learn_nodes(const Budget& budget);

  [[nodiscard]] const std::string& version() const { return version_; }  // "9.2.11"
  [[nodiscard]] int major_version() const;                               // 0 when it is unknown
  [[nodiscard]] bool is_at_least(int major, int minor) const;
  [[nodiscard]] std::string host() const;  // that is asked now
  [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }  // of the first
  // By the cluster's clock.
  [[nodiscard]] UtcTime now() const;
  void say(const std::string& text) const {
    if (say_) say_(text);
  }

 private:
  struct Host {
    HostAddress address;
    std::shared_ptr<const TlsSettings> tls;
    bool is_given = true;  // by the inputs, not learnt
    bool is_away = false;
    bool is_pveproxy = false;
    std::unique_ptr<HttpTransport> transport = {};
  };
  struct Exchange {
    Result<HttpResponse> response;
    HttpTrace trace;
  };

  explicit ProxmoxApi(ApiWay way, std::function<void(const std::string&)> say);
  [[nodiscard]] Exchange exchange(const Budget& budget, Host& host, const ApiRequest& request);
  [[nodiscard]] std::vector<std::size_t> hosts_for(const std::string& node) const;
  [[nodiscard]] ApiResult<Json> read(const ApiRequest& request, HttpResponse response);
  // What a write that was not heard of answered, when it took effect; nothing where it may be sent
  // again; else that nobody knows.
  [[nodiscard]] ApiResult<std::optional<Json>> look_whether_done(const Budget& budget,
                                                                 const ApiRequest& request,
                                                                 const Error& error,
                                                                 bool may_be_repeated);

  ApiWay way_;
  std::function<void(const std::string&)> say_;
  std::vector<Host> hosts_;
  std::map<std::string, std::size_t> node_hosts_;  // places in hosts_
  std::size_t current_ = 0;
  std::string version_;
  std::string fingerprint_;
  Milliseconds clock_offset_{0};
  std::function<void()> beat_;
  Milliseconds beat_interval_{0};
  UtcTime last_beat_;  // by the cluster's clock, as what it keeps alive
  bool is_beating_ = false;
};

// "POST /nodes/pve1/qemu/9000/clone", for messages.
[[nodiscard]] std::string describe(const ApiRequest& request);

// The path of a guest: "/nodes/pve1/qemu/101" and what is behind it.
[[nodiscard]] std::string guest_path(const std::string& node, const std::string& type,
                                     std::int64_t vmid, const std::string& rest = {});

// Members that the API gives as a number or as a text of one.
[[nodiscard]] std::optional<std::int64_t> number_in(const Json& object, std::string_view key);
[[nodiscard]] bool truth_in(const Json& object, std::string_view key);
// A member as text, whatever it is.
[[nodiscard]] std::string text_in(const Json& object, std::string_view key);

}  // namespace pca::proxmox_deploy
