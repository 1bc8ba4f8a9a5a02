#include "net/patient_caller.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "base/backoff.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace pca {

namespace {

constexpr Milliseconds longest_pause{30'000};
constexpr Milliseconds vague_pause{60'000};
constexpr Milliseconds longest_wait_told{86'400'000};
constexpr std::size_t longest_message = 300;

std::optional<std::int64_t> number_of(const HttpResponse& response, std::string_view header) {
  const auto number = parse_integer(response.header(header), 0, 100'000'000'000);
  return number ? std::optional(*number) : std::nullopt;
}

Error rate_limited(const HttpResponse& response, const std::string& what, Milliseconds pause,
                   const std::string& wait_input) {
  const std::string said = message_of(response);
  return unreachable(fmt::format("{} met a rate limit{}{}", what, said.empty() ? "" : ": ", said),
                     fmt::format("It ends in {}. Try again then{}.", format_duration(pause),
                                 wait_input.empty() ? "" : ", or raise " + wait_input));
}

}  // namespace

// RFC 9110, section 5.6.7: the one form that servers send. The C locale's names.
std::optional<std::int64_t> date_of(const HttpResponse& response) {
  std::tm time{};
  const std::string text = response.header("date");
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &time);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return ::timegm(&time);
}

std::string what_of(const HttpRequest& request) {
  const std::string_view url = request.url;
  return visible(fmt::format("{} {}", request.method,
                             cut_utf8(url.substr(0, url.find('?')), longest_message)));
}

std::string message_of(const HttpResponse& response) {
  const auto body = parse_json(response.body, {.bytes = 65536, .depth = 16, .values = 2000});
  if (!body) return {};
  std::string text;
  if (const Json* message = body->find("message"); message != nullptr) {
    if (message->as_string() != nullptr) text = *message->as_string();
  }
  const Json* errors = body->find("errors");
  if (errors != nullptr && errors->as_array() != nullptr) {
    for (const Json& error : *errors->as_array()) {
      const Json* detail = error.find("message");
      if (detail == nullptr) detail = error.find("field");
      if (detail == nullptr || detail->as_string() == nullptr) continue;
      text += (text.empty() ? "" : ": ") + *detail->as_string();
    }
  }
  return visible(cut_utf8(to_valid_utf8(text), longest_message));
}

bool is_passing(int status) {
  constexpr int passing[] = {408, 500, 502, 503, 504};
  return std::find(std::begin(passing), std::end(passing), status) != std::end(passing);
}

bool is_rate_limited(const HttpResponse& response) {
  if (response.status == 429) return true;
  if (response.status != 403) return false;
  return !response.header("retry-after").empty() ||
         response.header("x-ratelimit-remaining") == "0" ||
         to_lower(message_of(response)).find("rate limit") != std::string::npos;
}

Milliseconds rate_limit_pause(const HttpResponse& response, int earlier) {
  if (const auto seconds = number_of(response, "retry-after")) {
    return std::min(Milliseconds{*seconds * 1000}, longest_wait_told);
  }
  const auto reset = number_of(response, "x-ratelimit-reset");
  if (response.header("x-ratelimit-remaining") == "0" && reset) {
    const std::int64_t now = date_of(response).value_or(std::time(nullptr));
    const std::int64_t seconds = std::max<std::int64_t>(*reset - now, 0) + 1;
    return std::min(Milliseconds{seconds * 1000}, longest_wait_told);
  }
  return vague_pause * (1 << std::clamp(earlier, 0, 6));
}

Milliseconds Patience::longest_call() const {
  return (request_limit + longest_pause) * (retries + 1) + most_waiting;
}

Result<> PatientCaller::wait(const Budget& budget, Milliseconds pause, const Error& because) const {
  if (patience_.on_wait) {
    patience_.on_wait(
        fmt::format("{}; trying again in {}", because.message, format_duration(pause)));
  }
  return pause_for(budget, pause);
}

Result<HttpResponse> PatientCaller::run(const Budget& budget, const Call& call) {
  for (int retry = 0;; ++retry) {
    auto response = call.send(budget);
    const bool is_success = response && response->status >= 200 && response->status < 300;
    if (is_success || (response && response->status == 304)) return response;
    if (response && is_rate_limited(*response)) {
      const Milliseconds pause = rate_limit_pause(*response, vague_limits_++);
      Error error = rate_limited(*response, call.what, pause, patience_.wait_input);
      waited_ += pause;
      if (retry >= patience_.retries || waited_ > patience_.most_waiting ||
          pause >= budget.left()) {
        rests_until_ = Clock::now() + pause;
        return error;
      }
      PCA_CHECK(wait(budget, pause, error));
      continue;
    }
    Error error = response ? call.explain(*response) : response.error();
    if (!error.transient || retry >= patience_.retries) return error;
    const Milliseconds whole =
        std::min(patience_.first_pause * (1 << std::min(retry, 10)), longest_pause);
    const auto pause =
        std::chrono::duration_cast<Milliseconds>(whole * (0.75 + random_fraction() / 2));
    if (pause >= budget.left()) return error;
    PCA_CHECK(wait(budget, pause, error));
    if (!call.is_done) continue;
    PCA_TRY(const bool is_done, call.is_done(budget));
    if (is_done) return HttpResponse{};
  }
}

}  // namespace pca
