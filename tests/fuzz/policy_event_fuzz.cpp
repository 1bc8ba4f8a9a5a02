// The event's JSON holds what strangers wrote: any text is a classification, or an error that is
// safe to print; and a pull request never deploys production.

#include "base/text.hpp"
#include "deploy-policy/classify.hpp"
#include "deploy-policy/event_input.hpp"
#include "fuzz/fuzz.hpp"

namespace {

void check(const char* name, std::string_view text) {
  using namespace pca;
  using namespace pca::deploy_policy;
  using namespace pca::fuzz;
  Event event{.name = name, .ref = "refs/heads/main", .repository = "acme/shop"};
  if (const auto read = read_payload_text(text, event); !read) {
    require(visible(read.error().message) == read.error().message, "an error is safe to print");
    return;
  }
  const auto found = classify(Policy(), event);
  if (!found) {
    require(visible(found.error().text()) == found.error().text(), "an error is safe to print");
    return;
  }
  require(visible(found->reason) == found->reason, "a reason is safe to print");
  if (event.name.starts_with("pull_request")) {
    require(found->value != DeployClass::production, "no pull request deploys production");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = pca::fuzz::text_of(data, size);
  for (const char* name : {"push", "pull_request", "delete", "workflow_dispatch"})
    check(name, text);
  const auto event = pca::deploy_policy::read_event_line(text);
  pca::fuzz::require(event || !event.error().message.empty(), "a line is an event or an error");
  return 0;
}
