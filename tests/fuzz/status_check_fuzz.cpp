// Annotations, which any program may have written, and a check run as GitHub tells it.
#include "commit-status/check.hpp"
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::commit_status;
  using namespace pca::fuzz;
  const std::string_view text = text_of(data, size);
  if (const auto json = parse_json(text))
    require(read_check(*json).id >= 0, "an id is none or one");
  const std::string output = fit_output(text);
  require(output.size() <= longest_output, "a text is short");
  require(fit_output(output) == output, "what fits stays");
  const auto read = parse_annotations(text, "/home/runner/shop");
  if (!read) {
    require(!read.error().hint.empty(), "a mistake has a cure");
    return 0;
  }
  require(read->first_mistake.empty() == (read->dropped == 0), "a mistake is told");
  Json again = Json::array();
  for (const CheckAnnotation& annotation : read->all) again.push(to_json(annotation));
  const auto same = parse_annotations(again.dump(), "");
  require(same && same->all.size() == read->all.size() && same->dropped == 0,
          "what is sent is an annotation");
  return 0;
}
