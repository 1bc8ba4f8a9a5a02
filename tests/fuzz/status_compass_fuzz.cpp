// A compass.yml, which strangers may have written, with what ends up in an event: texts and a time.
// The first byte tells which.
#include "commit-status/compass.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using namespace pca;
using namespace pca::commit_status;
using namespace pca::fuzz;

void check_component(std::string_view text) {
  const auto component = component_of_file(text);
  if (!component) return require(!component.error().hint.empty(), "a mistake has a cure");
  const auto again = parse_component(component->ari);
  require(again && again->id == component->id, "a component is itself");
  require(component->ari.find_first_of(" \"\n") == std::string::npos, "an id is plain");
}

void check_event(std::string_view text) {
  CompassEvent event;
  event.state = "FAILED";
  event.display_name = event.description = event.pipeline = fit_compass(text);
  event.number = 1;
  const auto body = parse_json(to_json(event, {.source = "s"}).dump());
  require(body.has_value(), "a body is JSON");
  const std::string& name = event.display_name;
  require(name.size() <= 4 * 255, "a text is short");
  require(fit_compass(name) == name, "what fits stays");
}

void check_time(std::string_view text) {
  const auto time = parse_utc(text);
  if (!time) return;
  const auto again = parse_utc(utc_text(*time));
  require(again && *again == *time, "a time is itself");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = text_of(data, size);
  if (text.empty()) return 0;
  const std::string_view rest = text.substr(1);
  switch (text.front()) {
    case 't':
      check_time(rest);
      break;
    case 'e':
      check_event(rest);
      break;
    default:
      check_component(rest);
      static_cast<void>(compass_root(rest));
  }
  return 0;
}
