// The event's JSON holds what strangers wrote: any text is a commit, or an error that is safe to
// print.

#include "base/text.hpp"
#include "commit-status/event.hpp"
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::commit_status;
  using namespace pca::fuzz;
  for (const char* name : {"push", "pull_request", "workflow_run", "deployment", "status"}) {
    Event event{.name = name, .repository = "acme/shop"};
    if (const auto read = read_payload(text_of(data, size), event); !read) {
      require(visible(read.error().message) == read.error().message, "an error is safe to print");
      continue;
    }
    const auto commit = commit_of(event);
    require(!commit || is_full_sha(*commit), "a commit is a whole SHA");
    require(commit || visible(commit.error().message) == commit.error().message,
            "an error is safe to print");
    const std::string reason = read_only_reason(event);
    require(visible(reason) == reason, "a reason is safe to print");
  }
  return 0;
}
