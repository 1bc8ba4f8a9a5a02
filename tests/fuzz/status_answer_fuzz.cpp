// What a server answers is hostile: an error that is safe to print, and no permission that is none.

#include "base/text.hpp"
#include "commit-status/compass_api.hpp"
#include "fuzz/fuzz.hpp"
#include "net/github.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::fuzz;
  const std::string text(text_of(data, size));
  HttpResponse response;
  response.body = text;
  const std::string line = text.substr(0, text.find('\n'));
  response.headers = {{"x-accepted-github-permissions", line},
                      {"retry-after", line},
                      {"x-ratelimit-reset", line},
                      {"x-ratelimit-remaining", "0"},
                      {"date", line}};
  for (const int status : {302, 400, 403, 404, 422, 429, 500}) {
    response.status = status;
    for (const Error& error : {explain_github_answer(response, "GET /x"),
                               commit_status::explain_compass_answer(response, "POST /x")}) {
      require(visible(error.message) == error.message, "an error is safe to print");
      require(visible(error.hint) == error.hint, "a hint is safe to print");
    }
    if (is_rate_limited(response)) {
      const auto pause = rate_limit_pause(response, 3).count();
      require(pause >= 0 && pause <= 86'400'000, "a pause is a day at most");
    }
  }
  return 0;
}
