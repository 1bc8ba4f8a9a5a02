#include "commit-status/compass_api.hpp"

#include <fmt/format.h>

namespace pca::commit_status {

CompassApi::CompassApi(HttpTransport& transport, CompassSettings settings)
    : transport_(transport),
      settings_(std::move(settings)),
      caller_(static_cast<const Patience&>(settings_)) {}

Result<> CompassApi::send(const Budget& budget, const Json& event) {
  HttpRequest request;
  request.method = "POST";
  request.url = settings_.root + "/events";
  request.headers = {{"Accept", "application/json"}, {"Content-Type", "application/json"}};
  request.secret_headers = {{"Authorization", &settings_.authorization}};
  request.body = event.dump();
  request.ca_file = settings_.ca_file;
  const std::string what = what_of(request);
  const auto answered = caller_.run(
      budget,
      {.what = what,
       .send =
           [&](const Budget& left) {
             ++attempts_;
             return transport_.send(left.at_most(settings_.request_limit), request);
           },
       .explain =
           [&](const HttpResponse& answer) { return explain_compass_answer(answer, what); }});
  if (!answered) return answered.error();
  if (answered->header("content-type").starts_with("text/html")) {
    return failed(what + " was answered with a web page",
                  "Check site, compass-url and the proxy: this is not what Compass answers.");
  }
  return {};
}

Error explain_compass_answer(const HttpResponse& response, const std::string& what) {
  const std::string said = message_of(response);
  const std::string text = fmt::format("{} was answered with {}{}{}", what, response.status,
                                       said.empty() ? "" : " ", said);
  switch (response.status) {
    case 400:
      return failed(text, "Check component, cloud-id and source: Compass takes no such event.");
    case 401:
      return permission_denied(text,
                               "Check compass-user and compass-token: an API token of that user, "
                               "from id.atlassian.com, that has not expired.");
    case 403:
      return permission_denied(text, "This user may not change that component: check site too.");
    case 404:
      return failed(text, "Check component (the id in compass.yml), cloud-id and site.");
    default:
      break;
  }
  if (response.status >= 300 && response.status < 400) {
    return failed(text, "Check site: the token is sent to no other server.");
  }
  if (response.status >= 500 || response.status == 408) {
    Error error = unreachable(text, "Look at status.atlassian.com, and try again later.");
    return is_passing(response.status) ? std::move(error).as_transient() : error;
  }
  return failed(text);
}

}  // namespace pca::commit_status
