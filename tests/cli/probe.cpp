// A tool with a command for each way a process can end, and each kind of input.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "cli/tool_main.hpp"

namespace pca {

namespace {

// Returns once the process was told to stop.
void wait_for_stop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait(lock, stop, [] { return false; });
}

Json strings(const std::vector<std::string>& items) {
  Json list = Json::array();
  for (const std::string& item : items) list.push(item);
  return list;
}

// What the inputs were read as; of a secret only its size.
Result<int> echo(ToolContext& context, Inputs& inputs) {
  Json json = Json::object();
  json.set("text", inputs.text("text"))
      .set("verbatim", inputs.text("verbatim"))
      .set("boolean", inputs.flag("boolean"))
      .set("integer", inputs.integer("integer"))
      .set("duration-ms", std::int64_t{inputs.duration("duration").count()})
      .set("size", inputs.size("size"))
      .set("choice", inputs.text("choice"))
      .set("list", strings(inputs.list("list")))
      .set("secret-size", std::int64_t(inputs.take_secret("secret").size()));
  context.reporter.info(json.dump());
  context.reporter.report(json);
  context.reporter.output("choice", inputs.text("choice"));
  return 0;
}

Result<int> fail(const std::string& kind) {
  if (kind == "failed") return failed("it failed", "Try again.");
  if (kind == "bad-input") return bad_input("it was wrong");
  if (kind == "rolled-back") return Error{ErrorKind::rolled_back, "it was undone", {}, false};
  if (kind == "outcome-unknown") return outcome_unknown("nobody knows");
  if (kind == "permission") return permission_denied("not allowed");
  if (kind == "unreachable") return unreachable("not there");
  if (kind == "conflict") return conflict("locked");
  if (kind == "cancelled") return cancelled("stopped");
  if (kind == "bug") return tool_bug("a promise was broken");
  if (kind == "exception") throw std::runtime_error("library text");
  if (kind == "not-even-an-exception") throw 7;  // NOLINT: what a library might do
  if (kind == "thread") std::thread([] { throw std::runtime_error("lost"); }).join();
  return 8;  // a code of success
}

// What a child process and /proc would see of INPUT_SECRET.
Result<int> environment(ToolContext& context, Inputs& inputs) {
  const bool inherited = std::getenv("INPUT_SECRET") != nullptr;
  const bool in_context = context.environment.contains("INPUT_SECRET");
  const bool other = context.environment.contains("OTHER");
  context.reporter.info(inherited || in_context ? "inherited" : "forgotten");
  context.reporter.info(other ? "other is there" : "other is lost");
  context.reporter.info(inputs.take_secret("secret").empty() ? "no secret" : "has a secret");
  wait_for_stop(context.stop);
  return 0;
}

// Which descriptor the next file gets: never one of the standard three.
Result<int> descriptor(ToolContext& context) {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  context.reporter.info(fd > STDERR_FILENO ? "above the standard ones" : "a standard one");
  return fd > STDERR_FILENO ? 0 : 1;
}

Result<int> remote(ToolContext& context) {
  const auto output = context.reporter.remote("");
  output->feed("::error::from a host\nno end");
  return fail("exception");
}

Result<int> flood(ToolContext& context) {
  for (int i = 0; i < 20'000; ++i) context.reporter.info("a line that nobody reads any more");
  return 0;
}

Result<int> wait(ToolContext& context, bool hangs) {
  context.reporter.info("ready");
  wait_for_stop(context.stop);
  if (hangs) wait_for_stop(std::stop_source().get_token());
  context.reporter.info("cleaned up");
  return cancelled("cancelled while waiting");
}

Result<int> run(ToolContext& context, Inputs inputs, BadInputs& bad) {
  if (!bad.empty()) return bad.to_error();
  const std::string command = inputs.command();
  if (command == "echo") return echo(context, inputs);
  if (command == "fail") return fail(inputs.text("kind"));
  if (command == "environment") return environment(context, inputs);
  if (command == "descriptor") return descriptor(context);
  if (command == "remote") return remote(context);
  if (command == "flood") return flood(context);
  if (command == "finish-after-stop") {
    static_cast<void>(wait(context, false));
    return 0;
  }
  return wait(context, command == "hang");
}

ToolSpec tool_spec() {
  const std::vector<Option> all{
      {.name = "text", .help = "A line"},
      {.name = "verbatim", .type = OptionType::verbatim, .help = "Text as it is"},
      {.name = "boolean", .type = OptionType::boolean, .default_value = "false", .help = "Or not"},
      {.name = "integer",
       .type = OptionType::integer,
       .default_value = "22",
       .help = "A number",
       .least = 1,
       .most = 65535},
      {.name = "duration", .type = OptionType::duration, .default_value = "15s", .help = "A time"},
      {.name = "size", .type = OptionType::size, .default_value = "64KiB", .help = "An amount"},
      {.name = "choice",
       .type = OptionType::choice,
       .default_value = "direct",
       .help = "One of two",
       .choices = {"access", "direct"}},
      {.name = "list", .type = OptionType::list, .help = "Several"},
      {.name = "secret", .type = OptionType::secret, .help = "Not to be seen"},
      {.name = "second-secret", .type = OptionType::secret, .help = "Not to be seen either"},
  };
  const Option secret{.name = "secret", .type = OptionType::secret, .help = "Not to be seen"};
  const Option kind{.name = "kind", .help = "How to end", .required = true};
  return {
      .name = "cli_probe",
      .summary = "Shows what the common parts do",
      .commands = {{.name = "echo",
                    .summary = "Tells its inputs",
                    .options = all,
                    .positionals = {"list"},
                    .words = "verbatim",
                    .stdout_use = StdoutUse::result},
                   {.name = "fail",
                    .summary = "Ends in some way",
                    .options = {kind},
                    .positionals = {"kind"}},
                   {.name = "environment",
                    .summary = "Tells what is left of its environment",
                    .options = {secret}},
                   {.name = "descriptor", .summary = "Opens a file"},
                   {.name = "remote", .summary = "Shows a host's text and fails"},
                   {.name = "flood", .summary = "Writes much"},
                   {.name = "wait", .summary = "Waits for a signal"},
                   {.name = "hang", .summary = "Waits for ever"},
                   {.name = "finish-after-stop", .summary = "Is done when a signal comes"}},
  };
}

}  // namespace

}  // namespace pca

int main(int argc, char** argv) {
  return pca::tool_main(argc, argv, "probe", pca::tool_spec, pca::run);
}
