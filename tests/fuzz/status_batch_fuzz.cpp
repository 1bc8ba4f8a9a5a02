// A batch of statuses, and descriptions: what is kept is what GitHub takes.

#include "base/text.hpp"
#include "commit-status/status.hpp"
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::commit_status;
  using namespace pca::fuzz;
  const std::string_view text = text_of(data, size);
  const std::string fitted = fit_description(text);
  require(to_valid_utf8(fitted) == fitted, "a description is valid UTF-8");
  require(!is_too_long(fitted), "a description fits");
  require(fit_description(fitted) == fitted, "a description that fits stays");
  const Batch batch = parse_batch(text, false);
  require(!batch.statuses.empty() || !batch.mistakes.empty(), "a batch is statuses or mistakes");
  for (const Status& status : batch.statuses) {
    require(check_context(status.context).has_value(), "a context is good");
    require(parse_state(status.state).value_or("") == status.state, "a state is GitHub's");
    require(!is_too_long(status.description), "a description fits");
  }
  for (const Error& mistake : batch.mistakes) {
    require(visible(mistake.message) == mistake.message, "a mistake is safe to print");
  }
  return 0;
}
