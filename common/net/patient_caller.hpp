#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "net/http.hpp"

namespace pca {

// How patiently an API is asked. What is asked for again: a connection that failed, what `explain`
// calls transient, and a rate limit, after the wait that the answer asks for.
struct Patience {
  int retries = 4;                      // besides the first try
  Milliseconds request_limit{15'000};   // for each try; GitHub itself gives up after 10 s
  Milliseconds most_waiting{120'000};   // for rate limits, all of them together
  Milliseconds first_pause{1'000};      // doubles; each is drawn from 25 % around it
  std::string wait_input = "max-wait";  // what raises most_waiting, for messages; may be empty
  std::function<void(const std::string&)> on_wait = {};  // told before each wait

  // What one call can take at most.
  [[nodiscard]] Milliseconds longest_call() const;
};

// Repeats requests to one API. Not thread safe.
class PatientCaller {
 public:
  explicit PatientCaller(Patience patience) : patience_(std::move(patience)) {}

  struct Call {
    std::string what;  // "POST https://api.example/path", for messages
    std::function<Result<HttpResponse>(const Budget&)> send;
    // What an answer means that is neither a success nor a rate limit.
    std::function<Error(const HttpResponse&)> explain;
    // Asked before a try is repeated: whether one whose answer was lost has done it.
    std::function<Result<bool>(const Budget&)> is_done = {};
  };
  // The answer of 2xx or 304; one of status 0 where `is_done` said so. Errors: what `explain` says,
  // unreachable where a rate limit lasts longer than may be waited, the transport's.
  [[nodiscard]] Result<HttpResponse> run(const Budget& budget, const Call& call);
  // Until when a rate limit lasts that a call has ended by; the past where there is none.
  [[nodiscard]] Clock::time_point rests_until() const { return rests_until_; }

 private:
  Result<> wait(const Budget& budget, Milliseconds pause, const Error& because) const;

  Patience patience_;
  Milliseconds waited_{0};  // for rate limits
  int vague_limits_ = 0;    // those that did not say how long they last
  Clock::time_point rests_until_{};
};

// Whether an answer says that a rate limit was met: 429, and a 403 with Retry-After, with nothing
// remaining, or whose message speaks of a rate limit.
[[nodiscard]] bool is_rate_limited(const HttpResponse& response);
// How long to wait then: Retry-After; else until x-ratelimit-reset by the server's own clock (Date)
// and a second more; else a minute, which doubles with each of the `earlier` ones.
[[nodiscard]] Milliseconds rate_limit_pause(const HttpResponse& response, int earlier);

// When the server sent it by its own clock (Date), in seconds since 1970.
[[nodiscard]] std::optional<std::int64_t> date_of(const HttpResponse& response);

// What an answer in JSON says about itself: its message, and what is wrong with which field. Short
// and visible; empty where there is none.
[[nodiscard]] std::string message_of(const HttpResponse& response);

// "GET https://api.example/path", for messages: without a query, short and visible.
[[nodiscard]] std::string what_of(const HttpRequest& request);

// Whether the same request may be answered otherwise in a moment: 408, 500, 502, 503, 504.
[[nodiscard]] bool is_passing(int status);

}  // namespace pca
