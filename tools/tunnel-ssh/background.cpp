#include "tunnel-ssh/background.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <exception>

#include "base/system_error.hpp"
#include "base/text.hpp"
#include "cli/exit_codes.hpp"
#include "cli/signals.hpp"
#include "net/byte_stream.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t longest_message = std::size_t{4} << 20U;  // hundreds of forwards, warnings

FileDescriptor open_nowhere() { return FileDescriptor(::open("/dev/null", O_RDWR | O_CLOEXEC)); }

// What was inherited from whoever started the tool may be a pipe that someone waits for the end of.
// All our own descriptors are marked to be closed on exec; inherited ones cannot be.
void close_inherited() {
  constexpr int most = 4096;
  const int end = static_cast<int>(std::min(::sysconf(_SC_OPEN_MAX), long{most}));
  for (int fd = STDERR_FILENO + 1; fd < end; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) ::close(fd);
  }
}

void tell(FileDescriptor& pipe, const Json& message) {
  (void)write_all(pipe.get(), message.dump());  // a parent that is gone needs no answer
  pipe.reset();
}

Json to_json(const Error& error) {
  Json json = Json::object();
  json.set("kind", static_cast<int>(error.kind));
  json.set("message", error.message);
  json.set("hint", error.hint);
  return json;
}

Error to_error(const Json& json) {
  Error error = tool_bug("the background process ended without a word");
  if (const Json* kind = json.find("kind"); kind != nullptr && kind->as_int() != nullptr) {
    error.kind = static_cast<ErrorKind>(*kind->as_int());
  }
  if (std::string message = json.text_of("message"); !message.empty()) {
    error.message = std::move(message);
  }
  error.hint = json.text_of("hint");
  return error;
}

// What the first process tells at the step's end.
Json last_words(Reporter& reporter) {
  Json list = Json::array();
  for (const Warning& warning : reporter.take_warnings()) {
    Json entry = Json::object();
    entry.set("title", warning.title);
    entry.set("text", warning.text);
    list.push(std::move(entry));
  }
  reporter.finish();
  Json message = Json::object();
  message.set("warnings", std::move(list));
  return message;
}

std::vector<Warning> warnings_in(const Json& message) {
  std::vector<Warning> warnings;
  const Json* list = message.find("warnings");
  if (list == nullptr || list->as_array() == nullptr) return warnings;
  for (const Json& entry : *list->as_array()) {
    const Json* title = entry.find("title");
    const Json* text = entry.find("text");
    if (title == nullptr || text == nullptr || !title->as_string() || !text->as_string()) continue;
    warnings.push_back({*title->as_string(), *text->as_string()});
  }
  return warnings;
}

// The whole life of the new process. It ends here: the threads and objects of the first one are not
// its own to end.
[[noreturn]] void live_in_background(FileDescriptor pipe, const FileDescriptor& log,
                                     Reporter& reporter, const BackgroundWork& work) {
  ::setsid();
  const FileDescriptor nowhere = open_nowhere();
  ::dup2(nowhere.get(), STDIN_FILENO);
  close_inherited();
  int code = exit_code_for(ErrorKind::bug);
  try {
    const SignalWatcher signals;
    const auto ready = [&](Json facts) {
      Json message = last_words(reporter);  // to the step; what follows goes to the log file
      for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
        ::dup2(log.is_open() ? log.get() : nowhere.get(), stream);
      }
      message.set("ready", std::move(facts));
      tell(pipe, message);
    };
    const Result<> ended = work(signals.token(), ready);
    if (!ended && pipe.is_open()) {
      Json message = last_words(reporter);
      message.set("error", to_json(ended.error()));
      tell(pipe, message);
    } else if (!ended && ended.error().kind != ErrorKind::cancelled) {
      reporter.error(ended.error());  // the first process, which would tell it, has gone
    }
    code = ended ? 0 : exit_code_for(ended.error().kind);
  } catch (const std::exception&) {  // the first process sees the pipe end
  }
  ::_exit(code);
}

Result<std::string> read_message(const Budget& budget, const FileDescriptor& pipe) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    if (text.size() >= longest_message) {
      return tool_bug("the background process says more than anybody wants to know");
    }
    const std::array handles{PollHandle{pipe.get(), POLLIN}};
    PCA_CHECK(wait_ready(budget, handles, budget.deadline(), "starting in the background"));
    const ssize_t size = ::read(pipe.get(), buffer.data(), buffer.size());
    if (size == 0) return text;
    if (size > 0) text.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace

Result<FileDescriptor> open_log_file(const std::string& path) {
  // For reading too, so that opening a pipe does not wait for its reader.
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (file.is_open()) return file;
  return bad_input(fmt::format("cannot write \"{}\": {}", visible(path), errno_text(errno)),
                   "Name a file that may be written, in a folder that exists.");
}

Result<Json> start_in_background(const Budget& budget, const FileDescriptor& log,
                                 Reporter& reporter, const BackgroundWork& work, int& pid) {
  reporter.announce_secrets();
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return failed("cannot make a pipe: " + errno_text(errno));
  const FileDescriptor read_end(ends[0]);
  FileDescriptor write_end(ends[1]);
  pid = ::fork();
  if (pid < 0) return failed("cannot start a background process: " + errno_text(errno));
  if (pid == 0) live_in_background(std::move(write_end), log, reporter, work);
  write_end.reset();

  const auto text = read_message(budget, read_end);
  if (!text) {
    ::kill(pid, SIGTERM);
    return text.error();
  }
  const auto message = parse_json(*text);
  if (message) {
    reporter.keep_warnings(warnings_in(*message));
    if (const Json* facts = message->find("ready"); facts != nullptr) return *facts;
  }
  ::kill(pid, SIGTERM);  // it is about to end; should it not be, nobody will hear of it again
  ::waitpid(pid, nullptr, 0);
  if (message) {
    if (const Json* error = message->find("error"); error != nullptr) return to_error(*error);
  }
  return tool_bug("the background process ended without a word");
}

}  // namespace pca::tunnel_ssh
