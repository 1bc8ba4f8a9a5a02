// What a gate reads: check runs with the summaries that strangers wrote, and statuses.
#include "commit-status/cloudflare_check.hpp"
#include "commit-status/gate.hpp"
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::commit_status;
  using namespace pca::fuzz;
  const std::string_view text = text_of(data, size);
  const std::vector<std::string> hosts{"pages.dev", "workers.dev"};
  const CloudflareBuild build = read_cloudflare_summary(text, hosts);
  for (const std::string& url : {build.preview_url, build.branch_url}) {
    if (url.empty()) continue;
    require(url.starts_with("https://"), "a preview is https");
    const std::string host = url.substr(8, url.find('/', 8) - 8);
    require(host.ends_with("pages.dev") || host.ends_with("workers.dev"), "a preview is allowed");
    require(url.find_first_of("@\\ \"'<>") == std::string::npos, "a preview is plain");
  }
  if (const auto json = parse_json(text)) {
    const std::vector<Mark> marks{read_check_mark(*json), read_status_mark(*json)};
    const Verdict verdict = judge_marks(marks, {});
    require(verdict.counted.size() == marks.size(), "all count");
    require(verdict.state != Verdict::State::passed || verdict.of(Mark::State::failure).empty(),
            "no failure passes");
    require(judge_marks({}, {}).state == Verdict::State::pending, "nothing is no success");
  }
  return 0;
}
