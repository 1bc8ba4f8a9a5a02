#include "proxmox-deploy/guest_health.hpp"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "base/backoff.hpp"
#include "base/build_info.hpp"
#include "base/text.hpp"
#include "net/host_address.hpp"
#include "net/http.hpp"
#include "net/tcp.hpp"
#include "proxmox-deploy/agent_exec.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr Milliseconds one_check{5000};
constexpr Milliseconds one_command{30'000};

class Probe {
 public:
  Probe(ProxmoxApi& api, const Guest& guest, const std::string& address, const HealthRules& rules)
      : api_(api), guest_(guest), address_(address), rules_(rules) {
    if (!rules.url.empty()) {
      http_ = make_http_transport(fmt::format("proxmox-deploy/{}", project_version()));
    }
  }

  // Nothing when all is well, else what is not. Errors are those of the API.
  ApiResult<std::optional<std::string>> look(const Budget& budget) {
    if (rules_.port != 0) {
      const auto stream = connect_tcp_socket(budget.at_most(one_check), address_, rules_.port);
      if (!stream) return std::optional(visible(stream.error().message));
    }
    if (!rules_.url.empty()) {
      HttpRequest request;
      request.url = health_url(rules_.url, address_);
      request.response_limit = std::size_t{1} << 20U;
      const auto answer = http_->send(budget.at_most(one_check), request);
      if (!answer) return std::optional(visible(answer.error().message));
      if (answer->status / 100 != 2) {
        return std::optional(
            fmt::format("{} answers with {}", visible(request.url), answer->status));
      }
    }
    if (!rules_.command.empty()) return run(budget);
    return std::optional<std::string>();
  }

 private:
  ApiResult<std::optional<std::string>> run(const Budget& budget) {
    const auto end = agent_exec(budget.at_most(one_command), api_, guest_,
                                {.words = shell_words(rules_.command)});
    if (!end) {
      // A command that was not heard of is asked again: it only looks.
      const bool may_come = end.error().transient || end.error().kind == ErrorKind::unreachable ||
                            end.error().kind == ErrorKind::outcome_unknown;
      if (may_come && !budget.is_cancelled()) return std::optional(end.error().message);
      return end.error();
    }
    if (end->code == 0) return std::optional<std::string>();
    const std::string said = last_line(end->err.empty() ? end->out : end->err);
    return std::optional(
        fmt::format("health-command ended with {}{}{}", end->code, said.empty() ? "" : ": ", said));
  }

  ProxmoxApi& api_;
  const Guest& guest_;
  const std::string& address_;
  const HealthRules& rules_;
  std::unique_ptr<HttpTransport> http_;
};

}  // namespace

std::string health_url(const std::string& url, const std::string& address) {
  constexpr std::string_view place = "{ip}";
  std::string out = url;
  const std::string name = address.find(':') == std::string::npos ? address : "[" + address + "]";
  for (std::size_t at = out.find(place); at != std::string::npos; at = out.find(place, at)) {
    out.replace(at, place.size(), name);
    at += name.size();
  }
  return out;
}

bool is_web_address(std::string_view url) {
  const std::size_t begin = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  const std::string_view rest = url.substr(begin);
  return begin != 0 &&
         static_cast<bool>(parse_host_address(rest.substr(0, rest.find_first_of("/?#"))));
}

ApiResult<std::string> wait_until_healthy(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                                          const std::string& address, const HealthRules& rules) {
  if (!rules.is_needed()) return std::string("not checked");
  const auto began = Clock::now();
  const Budget limit = budget.at_most(rules.timeout);
  Probe probe(api, guest, address, rules);
  std::string complaint = "no check came to its end";
  for (int in_a_row = 0;;) {
    api.keep_alive();
    auto looked = probe.look(limit);
    if (!looked && !limit.is_over()) return std::move(looked).error();
    if (looked && !*looked) {
      if (++in_a_row == rules.successes) {
        return fmt::format("{} checks in a row after {:.1f} s", in_a_row, ms_since(began) / 1000);
      }
    } else {
      in_a_row = 0;
      if (looked) complaint = **looked;
    }
    if (pause_for(limit, rules.pause)) continue;
    if (budget.is_cancelled()) {
      return {ApiFailure(cancelled("cancelled while waiting until the guest is healthy"))};
    }
    return {
        ApiFailure(unreachable(fmt::format("guest {} is not healthy within {}: {}", guest.text(),
                                           format_duration(rules.timeout), complaint),
                               "Look into the guest (keep it by on-failure: keep), or give more "
                               "time by health-timeout."))};
  }
}

}  // namespace pca::proxmox_deploy
