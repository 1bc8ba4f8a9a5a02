#include "tunnel-ssh/health.hpp"

#include <fmt/format.h>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp is POSIX

#include <algorithm>
#include <filesystem>
#include <thread>

#include "base/build_info.hpp"
#include "base/text.hpp"
#include "net/http.hpp"
#include "tunnel-ssh/forwarder.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr Milliseconds one_check{5000};

// A folder for a socket that nobody else can reach; removed with its content.
class PrivateFolder {
 public:
  PrivateFolder() : path_(std::filesystem::temp_directory_path() / "tunnel-ssh-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~PrivateFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// What one look has shown: nothing when all is well, else what is not.
using Complaint = std::optional<std::string>;

class Probe {
 public:
  // `all` is for more than the checks.
  Probe(const Budget& all, SshSession& session, const RunCheck& run_check,
        const HealthCheck& health)
      : all_(all), session_(session), run_check_(run_check), health_(health) {}

  // Errors are those of the session; that a check fails is none.
  Result<Complaint> look(const Budget& budget) {
    if (!health_.command.empty()) {
      // The host ends it in time, so that the shell is free again when time is up.
      PCA_TRY(const auto check,
              run_check_(all_, health_.command, std::min(one_check, budget.left())));
      if (!check.is_good) return Complaint(last_line("the health command failed", check.said));
    }
    if (health_.port != 0) {
      PCA_TRY(auto complaint, connect(budget));
      if (complaint) return complaint;
    }
    if (!health_.url.empty()) return get(budget);
    return Complaint();
  }

 private:
  static std::string last_line(std::string_view what, const std::string& said) {
    const std::vector<std::string> lines = split_list(said);
    return lines.empty() ? std::string(what) : fmt::format("{}: {}", what, visible(lines.back()));
  }

  Result<Complaint> connect(const Budget& budget) {
    auto channel = session_.open_tcp(budget.at_most(one_check), "127.0.0.1", health_.port);
    if (channel) return Complaint();
    if (channel.error().kind != ErrorKind::failed) return std::move(channel).error();
    return Complaint(fmt::format("port {} takes no connections", health_.port));
  }

  // The request leaves from the host: curl connects to a socket here that is forwarded there.
  Result<Complaint> get(const Budget& budget) {
    const PrivateFolder place;
    PCA_TRY(const HostAddress target, host_of_url(health_.url));
    ForwardSpec spec;
    spec.listen.path = place.path("http");
    spec.target = {target.name, target.port, {}};
    PCA_TRY(Forwarder forwarder, Forwarder::open({spec}));

    HttpRequest request;
    request.url = health_.url;
    request.unix_socket = spec.listen.path;
    request.response_limit = std::size_t{1} << 20U;
    Result<HttpResponse> answer = unreachable("nothing was asked");
    std::stop_source is_answered;
    std::jthread asking([&] {
      answer = make_http_transport("tunnel-ssh/" + std::string(project_version()))
                   ->send(budget.at_most(one_check), request);
      is_answered.request_stop();
    });
    const Error ended =
        forwarder.serve(Budget(budget.deadline() + one_check, is_answered.get_token()), session_,
                        [](const std::string&) {});
    asking.join();
    PCA_CHECK(budget.check("waiting until all is healthy"));
    if (ended.kind != ErrorKind::cancelled) return ended;
    if (!answer) return Complaint(visible(answer.error().message));
    if (answer->status / 100 == 2) return Complaint();
    return Complaint(fmt::format("{} answers with {}", health_.url, answer->status));
  }

  const Budget& all_;
  SshSession& session_;
  const RunCheck& run_check_;
  const HealthCheck& health_;
};

}  // namespace

Result<HostAddress> host_of_url(const std::string& url) {
  const bool is_https = url.starts_with("https://");
  const std::size_t begin = url.find("://") + 3;
  const std::string authority = is_https || url.starts_with("http://")
                                    ? url.substr(begin, url.find_first_of("/?#", begin) - begin)
                                    : std::string();
  auto host = parse_host_address(authority, is_https ? 443 : 80);
  if (host && host->user.empty()) return host;
  return bad_input(fmt::format("\"{}\" is no http or https address", visible(url)),
                   "Write it as seen from the host: http://127.0.0.1:8080/healthz");
}

Result<HealthEvidence> wait_until_healthy(const Budget& budget, SshSession& session,
                                          const RunCheck& run_check, const HealthCheck& health) {
  const auto began = Clock::now();
  if (!health.is_needed()) return HealthEvidence{"not checked", began};
  Clock::time_point since;
  const Budget limit = budget.at_most(health.timeout);
  Probe probe(budget, session, run_check, health);
  std::string complaint = "no check came to its end";
  for (int in_a_row = 0;;) {
    auto looked = probe.look(limit);
    if (!looked && (!limit.is_over() || budget.is_over())) return std::move(looked).error();
    if (looked && !*looked) {
      if (in_a_row++ == 0) since = Clock::now();
      if (in_a_row == health.successes) {
        return HealthEvidence{
            fmt::format("{} checks in a row after {:.1f} s", in_a_row, ms_since(began) / 1000),
            since};
      }
    }
    if (looked && *looked) {
      complaint = **looked;
      in_a_row = 0;
    }
    if (limit.is_over()) break;
    const auto next = std::min(limit.deadline(), Clock::now() + health.pause);
    while (Clock::now() < next) {
      PCA_CHECK(session.wait(budget, {}, next, "waiting until all is healthy"));
    }
  }
  PCA_CHECK(budget.check("waiting until all is healthy"));
  return failed(
      fmt::format("not healthy within {}: {}", format_duration(health.timeout), complaint));
}

}  // namespace pca::tunnel_ssh
