// Whatever a command carries, the runner reads back; whatever a host prints, the runner takes no
// command from it.

#include <algorithm>
#include <string>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "fuzz/fuzz.hpp"
#include "runner/remote_text.hpp"
#include "runner/workflow_command.hpp"
#include "support/runner_model.hpp"

namespace pca::fuzz {
namespace {

void commands_round_trip(std::string_view text) {
  const std::string title(text.substr(0, text.size() / 2));
  const std::string data(text.substr(text.size() / 2));
  test::RunnerModel runner;
  runner.feed(workflow_command("error", {{"title", title}, {"file", "a,b:c"}}, data) + "\n");
  runner.finish();
  require(runner.commands().size() == 1 && runner.log().empty(), "one command is one line");
  const auto& command = runner.commands()[0];
  require(command.name == "error" && command.data == data, "the data comes through");
  auto properties = command.properties;
  require(properties["title"] == title && properties["file"] == "a,b:c",
          "the properties come through");
}

std::string filtered(std::string_view text, std::size_t piece_size) {
  RemoteTextFilter filter;
  std::string out;
  for (; !text.empty(); text.remove_prefix(std::min(piece_size, text.size()))) {
    out += filter.feed(text.substr(0, piece_size));
  }
  return out + filter.finish();
}

void remote_text_commands_nothing(std::string_view text) {
  const std::size_t piece_size = text.empty() ? 1 : 1 + static_cast<unsigned char>(text[0]);
  const std::string shown = filtered(text, piece_size);
  require(shown == filtered(text, text.size() + 1), "cuts change nothing");
  require(shown.empty() || shown.back() == '\n', "the last line is ended");
  for (const std::string& line : split_lines(shown)) {
    require(visible(line) == line, "a line is safe to print");
    require(line.size() <= RemoteTextFilter::line_limit + 100, "a line has a limit");
    const auto command = test::RunnerModel().parse(line);
    require(!command || line.find("::") != std::string::npos, "## commands are broken up");
  }
  // As the Reporter wraps it; the token depends on the text, so that no text can hold it.
  const std::string token = to_hex(sha256(text));
  test::RunnerModel runner;
  runner.feed("::stop-commands::" + token + "\n" + shown + "\n::" + token + "::\n");
  runner.finish();
  require(runner.commands().empty(), "no command gets through");
  require(!runner.is_stopped() && runner.tokens().size() == 1, "commands are on again afterwards");
}

}  // namespace
}  // namespace pca::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = pca::fuzz::text_of(data, size);
  pca::fuzz::commands_round_trip(text);
  pca::fuzz::remote_text_commands_nothing(text);
  return 0;
}
