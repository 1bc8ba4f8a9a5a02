#include "runner/reporter.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <mutex>
#include <optional>
#include <utility>

#include "base/digest.hpp"
#include "base/environment.hpp"
#include "base/system_error.hpp"
#include "base/text.hpp"
#include "runner/file_command.hpp"
#include "runner/markdown.hpp"
#include "runner/remote_text.hpp"
#include "runner/workflow_command.hpp"

namespace pca {

namespace {

constexpr std::size_t token_bytes = 16;  // nobody guesses 128 bits
constexpr Milliseconds terminal_pace{1000};
constexpr Milliseconds log_pace{10'000};
constexpr std::size_t most_warnings = 1000;  // remembered until the end
constexpr std::size_t most_of_annotation = 4000;
constexpr std::string_view clear_line = "\r\x1b[K";
constexpr std::string_view short_secret_notice =
    "A secret is shorter than 4 characters, so it is not blanked out of the log: that would ruin "
    "every line and still show it. Use a longer one.";

// Our own text may quote a host, so it is made safe the same way; no line end at its end.
std::string clean(std::string_view text) {
  RemoteTextFilter filter;
  std::string out = filter.feed(text);
  out += filter.finish();
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

// Whether the runner could read a line of `text` as a command. It skips every kind of Unicode blank
// and characters without width before "::", so anything that is not visible ASCII is skipped here.
bool has_command_line(std::string_view text) {
  bool at_start = true;
  for (const char c : text) {
    if (c == '\n') {
      at_start = true;
    } else if (c > ' ') {  // visible ASCII; char is signed or the byte above 0x7F is no ':'
      if (at_start && c == ':') return true;
      at_start = at_start && static_cast<unsigned char>(c) >= 0x80;
    }
  }
  return false;
}

// The SGR parameters (ECMA-48, 8.3.117) of a label: bold, and red, yellow or blue.
std::string_view colour_of(std::string_view level) {
  if (level == "error") return "1;31";
  return level == "warning" ? "1;33" : "1;34";
}

// "label: first line", the others indented; no line end at its end.
std::string labelled(std::string_view label, std::string_view text, bool is_coloured) {
  std::string out = is_coloured ? fmt::format("\x1b[{}m{}:\x1b[0m ", colour_of(label), label)
                                : fmt::format("{}: ", label);
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out;
}

std::string lost_summary(const Error& error) {
  return fmt::format("The summary is lost: {}. {}", error.message, error.hint);
}

// The runner cuts an annotation at 4,096 characters (its ExecutionContext.cs, AddIssue).
std::string shortened(const std::vector<std::string>& texts) {
  std::string out;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0 && out.size() + texts[i].size() > most_of_annotation) {
      return out + fmt::format("\nand {} more, in the log and in the summary", texts.size() - i);
    }
    if (i > 0) out += '\n';
    out += texts[i];
  }
  return out;
}

Json redacted(const Redactor& redactor, const Json& json) {
  if (const auto* text = json.as_string()) return redactor.redact(*text);
  if (const auto* items = json.as_array()) {
    Json out = Json::array();
    for (const Json& item : *items) out.push(redacted(redactor, item));
    return out;
  }
  if (const auto* members = json.as_object()) {
    Json::Object out;
    for (const auto& [key, value] : *members) {
      out.emplace_back(redactor.redact(key), redacted(redactor, value));
    }
    return out;
  }
  return json;
}

// The same JSON with every '[' in a text spelled \u005b that the runner could see as the end of
// "##[". Outside of texts JSON has no '#'.
std::string without_commands(std::string_view json) {
  std::string out;
  int hashes = 0;
  for (const char c : json) {
    if (c == '[' && hashes >= 2) {
      out += "\\u005b";
    } else {
      out += c;
    }
    if (c == '#') {
      ++hashes;
    } else if (static_cast<unsigned char>(c) < 0x80) {
      hashes = 0;
    }
  }
  return out;
}

}  // namespace

ReporterSettings ReporterSettings::from_environment() {
  ReporterSettings settings;
  settings.out = [](std::string_view text) { return write_all(STDOUT_FILENO, text); };
  settings.err = [](std::string_view text) { (void)write_all(STDERR_FILENO, text); };
  settings.in_actions = environment_variable("GITHUB_ACTIONS") == "true";
  settings.is_terminal = ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
  settings.is_coloured = ::isatty(STDERR_FILENO) == 1 && environment_variable("NO_COLOR").empty() &&
                         environment_variable("TERM") != "dumb";
  settings.debug = environment_variable("RUNNER_DEBUG") == "1";
  settings.output_file = environment_variable("GITHUB_OUTPUT");
  settings.summary_file = environment_variable("GITHUB_STEP_SUMMARY");
  return settings;
}

// Composes what one call writes, then writes it at once. All members but the settings need `mutex`.
struct Reporter::Impl {
  Impl(ReporterSettings given, Redactor& borrowed)
      : settings(std::move(given)), redactor(borrowed) {}

  const ReporterSettings settings;
  Redactor& redactor;
  std::mutex mutex;
  std::string resume_token;  // empty while the runner obeys commands
  bool finished = false;
  bool group_open = false;
  bool line_is_open = false;  // the log's last line has no end yet: a drawn progress
  std::optional<Clock::time_point> last_progress;
  int out_error = 0;              // the first
  std::vector<Warning> warnings;  // that wait for finish(), safe to be shown

  [[nodiscard]] std::string prepared(std::string_view text) const {
    return clean(redactor.redact(text));
  }

  void log(std::string_view text) {
    if (text.empty()) return;
    settings.json_on_stdout ? settings.err(text) : show(text);
  }

  // A reader that is gone is no reason to stop a deployment half way: it wanted no more. Nor is a
  // full disk, but whoever comes to read should be told.
  void show(std::string_view text) {
    const int error = settings.out(text);
    if (error != EPIPE && error != ECONNRESET && out_error == 0) out_error = error;
  }

  // What has to stand before any other text: new masks, and a cleared progress line.
  void begin(std::string& out) {
    if (std::exchange(line_is_open, false)) out += clear_line;
    if (settings.in_actions) announce_masks(out);
    if (redactor.take_short_secret_notice()) problem(out, "warning", short_secret_notice);
  }

  void announce_masks(std::string& out) {
    std::vector<std::string> masks = redactor.take_new_masks();
    if (!masks.empty()) resume_commands(out);
    for (std::string& mask : masks) {
      out += workflow_command("add-mask", {}, mask) + "\n";
      wipe(mask);
    }
  }

  void stop_commands(std::string& out) {
    if (!resume_token.empty()) return;
    resume_token = random_hex(token_bytes);
    out += workflow_command("stop-commands", {}, resume_token) + "\n";
  }

  // Every text before it ended its last line, so the token stands at the start of one.
  void resume_commands(std::string& out) {
    if (resume_token.empty()) return;
    out += workflow_command(resume_token, {}, {}) + "\n";
    resume_token.clear();
  }

  void command(std::string& out, std::string_view name, std::string_view title,
               std::string_view text) {
    resume_commands(out);
    out += workflow_command(name, {{"title", std::string(title)}}, text) + "\n";
  }

  // Lines of our own, without a command in them.
  void lines(std::string& out, std::string_view text) {
    if (settings.in_actions && has_command_line(text)) stop_commands(out);
    out += text;
    out += '\n';
    if (finished) resume_commands(out);
  }

  // A message with a level: an annotation for the runner, else a labelled line for stderr.
  void problem(std::string& out, std::string_view level, std::string_view text) {
    if (settings.in_actions) {
      command(out, level, {}, text);
    } else {
      settings.err(labelled(level, text, settings.is_coloured) + "\n");
    }
  }

  void say_problem(std::string_view level, std::string_view text) {
    const std::string safe_text = prepared(text);
    const std::lock_guard lock(mutex);
    std::string out;
    begin(out);
    if (!settings.in_actions) log(std::exchange(out, {}));  // keep the order on a terminal
    problem(out, level, safe_text);
    log(out);
  }

  void one_of_its_kind(const Warning& warning) {
    Warning safe{visible(redactor.redact(warning.title)), prepared(warning.text)};
    const std::lock_guard lock(mutex);
    std::string out;
    begin(out);
    lines(out, labelled("warning", safe.text, false));
    log(out);
    if (warnings.size() < most_warnings) warnings.push_back(std::move(safe));
  }

  // Kind by kind, in the order in which the first of each came.
  void annotate_kinds(std::string& out) {
    std::string markdown;
    while (!warnings.empty()) {
      const std::string title = warnings.front().title;
      const auto others = std::stable_partition(
          warnings.begin(), warnings.end(), [&](const Warning& one) { return one.title == title; });
      std::vector<std::string> texts;
      for (auto one = warnings.begin(); one != others; ++one) texts.push_back(std::move(one->text));
      warnings.erase(warnings.begin(), others);
      command(out, "warning", title, shortened(texts));
      markdown += fmt::format("\n**Warning: {}**\n\n{}\n", markdown_cell(title),
                              markdown_code(join(texts, "\n")));
    }
    if (markdown.empty()) return;
    const auto written = append_step_summary(settings.summary_file, to_valid_utf8(markdown));
    if (!written) command(out, "warning", {}, prepared(lost_summary(written.error())));
  }

  void end_open_group(std::string& out) {
    if (!std::exchange(group_open, false) || !settings.in_actions) return;
    command(out, "endgroup", {}, {});
  }

  void remote_lines(std::string_view text) {
    if (text.empty()) return;
    const std::lock_guard lock(mutex);
    std::string out;
    begin(out);
    if (settings.in_actions) stop_commands(out);
    out += text;
    if (finished) resume_commands(out);  // nobody will come to do it later
    log(out);
  }

  void finish() {
    const std::lock_guard lock(mutex);
    std::string out;
    begin(out);
    end_open_group(out);
    annotate_kinds(out);
    resume_commands(out);
    finished = true;
    log(out);
  }
};

Reporter::Reporter(ReporterSettings settings, Redactor& redactor)
    : impl_(std::make_shared<Impl>(std::move(settings), redactor)) {}

Reporter::~Reporter() { impl_->finish(); }

void Reporter::announce_secrets() {
  const std::lock_guard lock(impl_->mutex);
  std::string out;
  impl_->begin(out);
  impl_->log(out);
}

void Reporter::info(std::string_view text) {
  const std::string safe = impl_->prepared(text);
  const std::lock_guard lock(impl_->mutex);
  std::string out;
  impl_->begin(out);
  impl_->lines(out, safe);
  impl_->log(out);
}

void Reporter::debug(std::string_view text) {
  if (impl_->settings.debug) impl_->say_problem("debug", text);
}

void Reporter::notice(std::string_view text) { impl_->say_problem("notice", text); }

void Reporter::warning(std::string_view text) { impl_->say_problem("warning", text); }

void Reporter::warning(const Warning& warning) {
  if (impl_->settings.in_actions) {
    impl_->one_of_its_kind(warning);
  } else {
    impl_->say_problem("warning", warning.text);
  }
}

std::vector<Warning> Reporter::take_warnings() {
  const std::lock_guard lock(impl_->mutex);
  return std::exchange(impl_->warnings, {});
}

void Reporter::keep_warnings(std::vector<Warning> warnings) {
  const std::lock_guard lock(impl_->mutex);
  std::move(warnings.begin(), warnings.end(), std::back_inserter(impl_->warnings));
}

void Reporter::error(const Error& error) {
  std::string text = error.message;
  if (!error.hint.empty()) text += "\n" + error.hint;
  impl_->say_problem("error", text);
}

void Reporter::annotate(const Annotation& annotation) {
  const std::string file = visible(impl_->redactor.redact(annotation.file));
  const std::string text = impl_->prepared(annotation.text);
  if (!impl_->settings.in_actions) {
    impl_->say_problem(annotation.level, fmt::format("{}:{}: {}", file, annotation.line, text));
    return;
  }
  const std::lock_guard lock(impl_->mutex);
  std::string out;
  impl_->begin(out);
  impl_->resume_commands(out);
  out += workflow_command(annotation.level,
                          {{"file", file},
                           {"line", std::to_string(annotation.line)},
                           {"title", visible(impl_->redactor.redact(annotation.title))}},
                          text) +
         "\n";
  impl_->log(out);
}

void Reporter::group(std::string_view title) {
  const std::string safe = visible(impl_->prepared(title));
  const std::lock_guard lock(impl_->mutex);
  std::string out;
  impl_->begin(out);
  impl_->end_open_group(out);
  impl_->group_open = true;
  if (impl_->settings.in_actions) {
    impl_->command(out, "group", {}, safe);
  } else {
    impl_->lines(out, safe);
  }
  impl_->log(out);
}

void Reporter::end_group() {
  const std::lock_guard lock(impl_->mutex);
  std::string out;
  impl_->begin(out);
  impl_->end_open_group(out);
  impl_->log(out);
}

void Reporter::progress(std::string_view text) {
  const bool redraw = impl_->settings.is_terminal && !impl_->settings.in_actions;
  const std::string safe = visible(impl_->prepared(text));
  const std::lock_guard lock(impl_->mutex);
  const Clock::time_point now = impl_->settings.now();
  const Milliseconds pace = redraw ? terminal_pace : log_pace;
  if (impl_->last_progress && now - *impl_->last_progress < pace) return;
  impl_->last_progress = now;
  std::string out;
  impl_->begin(out);
  if (redraw) {
    out += safe;
    impl_->line_is_open = true;
  } else {
    impl_->lines(out, safe);
  }
  impl_->log(out);
}

void Reporter::output(std::string_view name, std::string_view value) {
  const std::string safe = impl_->redactor.redact(value);
  if (safe != value) {
    warning({"Outputs with secrets",
             fmt::format("The output \"{}\" holds a secret, which was blanked out of it.", name)});
  }
  const std::string record = file_command_record(name, to_valid_utf8(safe));
  const auto written = append_file_command(impl_->settings.output_file, record);
  if (!written) {
    warning({"Lost outputs", fmt::format("The output \"{}\" is lost: {}. {}", name,
                                         written.error().message, written.error().hint)});
  }
}

void Reporter::summary(std::string_view markdown) {
  const std::string safe = to_valid_utf8(impl_->redactor.redact(markdown));
  std::unique_lock lock(impl_->mutex);  // size and text of the file belong together
  const auto written = append_step_summary(impl_->settings.summary_file, safe);
  lock.unlock();
  if (!written) {
    warning(lost_summary(written.error()));
  }
}

void Reporter::report(const Json& json) {
  if (!impl_->settings.json_on_stdout) return;
  const std::string text = redacted(impl_->redactor, json).dump_pretty();
  const std::lock_guard lock(impl_->mutex);
  std::string out;
  impl_->begin(out);
  impl_->log(out);
  impl_->show(without_commands(text) + "\n");
}

std::unique_ptr<RemoteOutput> Reporter::remote(const std::string& prefix) {
  auto impl = std::make_unique<RemoteOutput::Impl>(impl_, visible(impl_->prepared(prefix)));
  return std::unique_ptr<RemoteOutput>(new RemoteOutput(std::move(impl)));
}

void Reporter::finish() { impl_->finish(); }

int Reporter::stdout_error() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->out_error;
}

std::string Reporter::redact(std::string_view text) const { return impl_->redactor.redact(text); }

struct RemoteOutput::Impl {
  Impl(std::shared_ptr<Reporter::Impl> owner, std::string line_prefix)
      : reporter(std::move(owner)), prefix(std::move(line_prefix)), redacting(reporter->redactor) {}

  // Redacted first: afterwards a secret with line ends or control characters looks different.
  void show(std::string_view redacted_text) { write(filter.feed(redacted_text)); }

  void write(std::string_view lines) {
    if (prefix.empty()) {
      reporter->remote_lines(lines);
      return;
    }
    std::string out;
    while (!lines.empty()) {
      const std::size_t size = lines.find('\n') + 1;
      out += prefix;
      out += lines.substr(0, size);
      lines.remove_prefix(size);
    }
    reporter->remote_lines(out);
  }

  std::shared_ptr<Reporter::Impl> reporter;
  std::string prefix;
  RedactingStream redacting;
  RemoteTextFilter filter;
};

RemoteOutput::RemoteOutput(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RemoteOutput::~RemoteOutput() { finish(); }

void RemoteOutput::feed(std::string_view chunk) { impl_->show(impl_->redacting.feed(chunk)); }

void RemoteOutput::finish() {
  impl_->show(impl_->redacting.finish());
  impl_->write(impl_->filter.finish());
}

}  // namespace pca
