#include "cli/tool_main.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "base/system_error.hpp"
#include "base/text.hpp"
#include "cli/exit_codes.hpp"
#include "cli/help.hpp"
#include "cli/signals.hpp"
#include "net/tls.hpp"

namespace pca {

namespace {

constexpr int exit_bug = 70;
constexpr int exit_signal = 128;
constexpr Milliseconds input_limit{60'000};  // for a secret that comes through a pipe

// A closed stdin, stdout or stderr would give its number to the next socket or file opened.
void open_missing_standard_streams() {
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}

void complain(std::string_view text) { (void)write_all(STDERR_FILENO, text); }

// The exit code after stdout did not take all that was to be shown there. Told on stderr in plain
// words, because what the runner obeys may go to that same stdout.
int code_without_stdout(int code, int error, StdoutUse use) {
  const bool is_result = use == StdoutUse::result;
  complain(fmt::format("{}: cannot write to stdout: {}\n  {}\n", is_result ? "error" : "warning",
                       errno_text(error),
                       is_result ? "What was to be read there is lost: make room, or send it "
                                   "elsewhere."
                                 : "A part of the log is lost, and nothing else: the exit code "
                                   "says how it ended."));
  return is_result && code == 0 ? exit_code_for(ErrorKind::failed) : code;
}

std::string answer(const ToolSpec& tool, const CommandLine& line) {
  switch (line.kind) {
    case CommandLine::Kind::help:
      return help_text(tool, line.command);
    case CommandLine::Kind::help_json:
      return help_json(tool).dump_pretty() + "\n";
    case CommandLine::Kind::version:
      return version_text(tool);
    case CommandLine::Kind::run:
      break;
  }
  return {};
}

// Overwrites the value where the kernel shows it (/proc/PID/environ) and takes the variable away,
// so that neither other processes of this user nor our own children find it.
void forget_variable(const std::string& name, Environment& environment) {
  if (const auto copy = environment.find(name); copy != environment.end()) {
    wipe(copy->second);
    environment.erase(copy);
  }
  if (char* value = std::getenv(name.c_str()); value != nullptr) {
    ::explicit_bzero(value, std::strlen(value));
    ::unsetenv(name.c_str());
  }
}

void forget_secret_variables(const ToolSpec& tool, Environment& environment) {
  for (const CommandSpec& command : tool.commands) {
    for (const Option& option : command.options) {
      if (option.type != OptionType::secret) continue;
      forget_variable(variable_of(option.name), environment);
      forget_variable("INPUT_" + to_upper(option.name), environment);
    }
  }
}

// An exception that leaves a thread comes here instead of to tool_main.
[[noreturn]] void end_as_bug() {
  complain(
      "error: a thread stopped by an unexpected error\n"
      "  This is a bug in the tool: please report it.\n");
  ::_exit(exit_bug);
}

Error unexpected(const char* what) {
  return tool_bug(fmt::format("stopped by an unexpected error: {}", what));
}

Result<int> run_command(ToolContext& context, Inputs inputs, BadInputs& bad,
                        const RunCommand& run) {
  try {
    Result<int> result = run(context, std::move(inputs), bad);
    if (bad.empty() || (!result && result.error().kind != ErrorKind::bad_input)) return result;
    return bad.to_error();
  } catch (const std::exception& error) {
    return unexpected(error.what());
  } catch (...) {
    return unexpected("one without a description");
  }
}

// Wherever bad input was found, by the common parts or by the command itself.
Error with_help(Error error, const ToolSpec& tool, const CommandLine& line) {
  if (error.kind != ErrorKind::bad_input || !error.hint.empty()) return error;
  const std::string title = line.command.empty() ? tool.name : tool.name + " " + line.command;
  error.hint = fmt::format("Nothing was contacted. \"{} --help\" shows all inputs.", title);
  return error;
}

int exit_code(const Error& error, int signal) {
  if (error.kind == ErrorKind::cancelled && signal != 0) return exit_signal + signal;
  return exit_code_for(error.kind);
}

// From the inputs to the exit code, with everything in place that a command needs.
int live(const ToolSpec& tool, const CommandLine& line, BadInputs& bad, const RunCommand& run) {
  const SignalWatcher signals;
  Redactor redactor;
  Environment environment = read_environment();
  Inputs inputs = read_inputs(Budget::of(input_limit, signals.token()),
                              {tool, environment, redactor}, line, bad);
  forget_secret_variables(tool, environment);

  ReporterSettings settings = ReporterSettings::from_environment();
  const CommandSpec* command = find_command(tool, line.command);
  const bool has_inputs = command != nullptr;
  const StdoutUse use = has_inputs && inputs.flag("json") ? StdoutUse::result
                        : has_inputs                      ? command->stdout_use
                                                          : StdoutUse::log;
  settings.json_on_stdout = has_inputs && (inputs.flag("json") || use == StdoutUse::data);
  settings.debug = settings.debug || (has_inputs && inputs.flag("debug"));
  settings.is_coloured = settings.is_coloured && !(has_inputs && inputs.flag("no-color"));
  Reporter reporter(std::move(settings), redactor);

  ToolContext context{reporter, redactor, environment, signals.token(), signals};
  const auto outcome = [&]() -> Result<int> {
    if (signals.signal() != 0) return cancelled("cancelled while reading the inputs");
    if (!has_inputs) return bad.to_error();
    return run_command(context, std::move(inputs), bad, run);
  };
  Result<int> result = outcome();
  // What could not be read because of a signal is no mistake of the user's.
  if (!result && result.error().kind == ErrorKind::bad_input && signals.signal() != 0) {
    result = cancelled("cancelled while reading the inputs");
  }
  if (!result) reporter.error(with_help(result.error(), tool, line));
  reporter.finish();
  const int code = result ? *result : exit_code(result.error(), signals.signal());
  const int error = reporter.stdout_error();
  return error == 0 ? code : code_without_stdout(code, error, use);
}

}  // namespace

int tool_main(int argc, char** argv, const char* name, ToolSpec (*make_tool)(),
              const RunCommand& run) {
  std::set_terminate(end_as_bug);
  try {
    open_missing_standard_streams();
    const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    const bool is_version = arguments == std::vector<std::string>{"--version"};
    const ToolSpec tool = is_version ? ToolSpec{.name = name} : make_tool();
    BadInputs bad;
    const CommandLine line = parse_command_line(tool, arguments, bad);
    if (line.kind != CommandLine::Kind::run) {
      const int error = write_all(STDOUT_FILENO, answer(tool, line));
      const bool is_told = error == 0 || error == EPIPE;
      return is_told ? 0 : code_without_stdout(0, error, StdoutUse::result);
    }
    early_init();
    return live(tool, line, bad, run);
  } catch (const std::exception& error) {
    // No Reporter is there; such a text comes from a library and holds no input.
    const Error bug = unexpected(error.what());
    complain(fmt::format("error: {}\n  {}\n", visible(bug.message), bug.hint));
    return exit_bug;
  }
}

}  // namespace pca
