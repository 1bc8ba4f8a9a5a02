// JSON of users and hosts: any text is a value within the limits that is written and read again
// unchanged, or an error that is safe to print.

#include "base/json.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "fuzz/fuzz.hpp"

namespace pca::fuzz {
namespace {

constexpr JsonLimits tight{.bytes = 4096, .depth = 4, .values = 64};

int depth_of(const Json& json) {
  int deepest = 0;
  if (const auto* items = json.as_array()) {
    for (const Json& item : *items) deepest = std::max(deepest, depth_of(item));
    return deepest + 1;
  }
  if (const auto* members = json.as_object()) {
    for (const auto& [key, value] : *members) deepest = std::max(deepest, depth_of(value));
    return deepest + 1;
  }
  return 0;
}

void check(std::string_view text, const JsonLimits& limits) {
  const auto json = parse_json(text, limits);
  if (!json) {
    require(json.error().message.size() < 500, "an error is short");
    require(visible(json.error().message) == json.error().message, "an error is safe to print");
    return;
  }
  require(text.size() <= limits.bytes && depth_of(*json) <= limits.depth, "limits hold");
  const std::string written = json->dump();
  require(written.find('\n') == std::string::npos, "it is written as one line");
  require(to_valid_utf8(written) == written, "it is written as UTF-8");
  const auto again = parse_json(written);
  require(again && again->dump() == written, "what is written is read again");
  const auto pretty = parse_json(json->dump_pretty());
  require(pretty && pretty->dump() == written, "the long form says the same");
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca::fuzz;
  const std::string_view text = text_of(data, size);
  check(text, {});
  check(text, tight);
  return 0;
}
