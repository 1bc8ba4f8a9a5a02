// What users write as host and jump: any text is an address that can be written and read again, or
// a mistake told safely. The first line is the host, the others are the jump hosts.

#include <chrono>
#include <string>

#include "base/text.hpp"
#include "cli/connection_inputs.hpp"
#include "fuzz/fuzz.hpp"
#include "net/host_address.hpp"

namespace pca::fuzz {
namespace {

constexpr std::size_t longest_message = 2000;

bool is_safe(const std::string& text) {
  return text.size() < longest_message && visible(text) == text;
}

void check_address(std::string_view text) {
  const auto address = parse_host_address(text);
  if (!address) {
    require(is_safe(address.error().message) && is_safe(address.error().hint), "errors are safe");
    require(!address.error().hint.empty(), "every mistake has a cure");
    return;
  }
  require(!address->name.empty() && address->name.size() <= 300, "an address has a name");
  require(address->name.front() != '-' && !address->user.starts_with('-'), "nothing is an option");
  require(visible(address->text()) == address->text(), "an address is safe to print");
  const auto again = parse_host_address(address->text());
  require(again && *again == *address, "what is written is read again");
}

void check_chain(std::string_view text) {
  const ToolSpec tool{.name = "tool",
                      .commands = {{.name = "go", .options = connection_options()}}};
  const std::size_t end = std::min(text.find('\n'), text.size());
  const Environment environment{{"INPUT_HOST", std::string(text.substr(0, end))},
                                {"INPUT_JUMP", std::string(text.substr(end))},
                                {"INPUT_USER", "me"},
                                {"INPUT_PASSWORD", "a password"}};
  Redactor redactor;
  BadInputs bad;
  CommandLine line;
  line.command = "go";
  const Budget budget = Budget::of(std::chrono::seconds(10));
  Inputs inputs = read_inputs(budget, {tool, environment, redactor}, line, bad);
  const ConnectionSettings settings = read_connection(inputs, redactor, bad, {});
  for (const BadInput& mistake : bad.items()) {
    require(is_safe(mistake.problem) && is_safe(mistake.cure), "mistakes are safe to print");
  }
  if (!bad.empty()) return;
  require(settings.hosts.size() == 1, "one line is one host");
  require(settings.jumps.size() == split_list(text.substr(end)).size(), "each line is a hop");
  for (const auto& hop : settings.jumps) check_address(hop.address.text());
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca::fuzz;
  const std::string_view text = text_of(data, size);
  for (const std::string& line : pca::split_lines(text)) check_address(line);
  check_chain(text);
  return 0;
}
