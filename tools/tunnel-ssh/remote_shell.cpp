#include "tunnel-ssh/remote_shell.hpp"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t token_bytes = 16;
constexpr std::size_t chunk_size = std::size_t{256} * 1024;
constexpr std::size_t most_received = std::size_t{256} << 20U;
constexpr std::size_t longest_errors = 4096;
constexpr const char* doing = "working on the host";

// Read by a login shell of any kind, so without single quotes, backslashes, "!" and line breaks
// (see program.cpp). $0 = token. A block is a line "token size" and so many bytes, which end with
// the token. After each block, and before the first, the token stands on both streams, on stdout
// with the block's exit code and the shell's process id. A signal would end the shell without its
// EXIT trap: SIGPIPE comes when it says something on a connection that is gone. A head that reads
// more than it gives, as that of BusyBox does, would take what is meant for the next command.
std::string reader() {
  return "trap \"exit 1\" PIPE HUP TERM; t=$0; said() { echo $t >&2; echo $t $1 $$; }; said 0; "
         "b=$(echo ab | { head -c 1 >/dev/null; cat; }); "
         "[ \"$b\" = b ] || { echo " +
         std::string(no_gnu_tools) +
         " >&2; exit 1; }; "
         "while read -r a n; do b=; if [ \"$a\" = $t ]; then b=$(head -c \"$n\"); fi; "
         "case $b in *$t) eval \"${b%$t}\"; said $?;; *) said 1; exit 1;; esac; done";
}

}  // namespace

RemoteShell::RemoteShell(SshSession& session, std::unique_ptr<SshChannel> channel,
                         std::string token, std::string who)
    : session_(&session),
      channel_(std::move(channel)),
      token_(std::move(token)),
      who_(std::move(who)),
      buffer_(chunk_size) {}

Result<RemoteShell> RemoteShell::start(const Budget& budget, SshSession& session,
                                       const std::string& become, std::string who) {
  std::string token = random_hex(token_bytes);
  std::string sudo =
      become.empty() ? std::string() : fmt::format("sudo -n -u {} -- ", shell_quote(become));
  const Clock::time_point asked = Clock::now();
  PCA_TRY(auto channel,
          session.exec(budget, fmt::format("{}sh -c '{}' {}", sudo, reader(), token)));
  RemoteShell shell(session, std::move(channel), std::move(token), std::move(who));
  shell.sudo_ = std::move(sudo);
  shell.round_trip_ = Clock::now() - asked;
  return shell;
}

Result<std::string> RemoteShell::run(const Budget& budget, const std::string& code,
                                     const RemoteInput& input, const RemoteSink& sink,
                                     const RemoteMeanwhile& meanwhile) {
  if (std::exchange(is_busy_, true)) {
    return failed(fmt::format("{}: the host is still busy with what went before", who_));
  }
  std::string pending =
      fmt::format("{} {}\n{}\n{}", token_, code.size() + 1 + token_.size(), code, token_);
  bool input_ended = input == nullptr;
  std::optional<Answer> answer;
  while (!(answer = take_answer())) {
    PCA_CHECK(budget.check(doing));
    PCA_TRY(const bool sent, send(pending, input, input_ended));
    PCA_TRY(const bool received, receive());
    if (sink) PCA_CHECK(drain(sink));
    bool moved = false;
    if (meanwhile) {
      PCA_TRY(moved, meanwhile());
    }
    if (sent || received || moved) continue;
    if (channel_->is_at_end()) {
      return failed(fmt::format("{}: the host ended the shell before it was done{}", who_,
                                last_words(errors_)),
                    is_ready_ ? "Look at the host's log."
                              : "A forced command or a login shell such as nologin may run in its "
                                "place; otherwise look at the host's log.");
    }
    PCA_CHECK(session_->wait(budget, {}, budget.deadline(), doing));
  }
  is_busy_ = false;
  if (answer->code == 0) {
    if (!sink) return std::move(answer->text);
    PCA_CHECK(sink(std::exchange(answer->text, {})));
    return std::string();
  }
  return failed(fmt::format("{}: the host could not do it{}", who_, last_words(answer->errors)));
}

std::unique_ptr<SshChannel> RemoteShell::begin_beside(std::string_view code) {
  return session_->begin_exec(fmt::format("{}sh -c '{}'", sudo_, code));
}

// As much as there is: every write is a packet, and sshd moves all that it has not passed on yet
// for each, up to 2 MiB. True at the input's end.
Result<bool> RemoteShell::fill(std::string& pending, const RemoteInput& input) {
  std::size_t filled = 0;
  ByteStream::Read got{1, false};
  pending.resize(chunk_size);
  while (got.bytes > 0 && !got.end && filled < pending.size()) {
    PCA_TRY(got, input(std::span(pending).subspan(filled)));
    filled += got.bytes;
  }
  pending.resize(filled);
  return got.end;
}

Result<bool> RemoteShell::send(std::string& pending, const RemoteInput& input, bool& input_ended) {
  bool sent = false;
  while (true) {
    if (pending.empty() && !input_ended) {
      PCA_TRY(input_ended, fill(pending, input));
    }
    if (pending.empty()) return sent;
    const auto taken = channel_->write(pending);
    if (!taken) {
      // What it said before it ended tells more than that it did.
      if (channel_->exit() || channel_->is_at_end()) return sent;
      return taken.error();
    }
    if (*taken == 0) return sent;
    pending.erase(0, *taken);
    sent = true;
  }
}

Result<bool> RemoteShell::receive() {
  PCA_TRY(const ByteStream::Read out, channel_->read(buffer_));
  received_.append(buffer_.data(), out.bytes);
  PCA_TRY(const ByteStream::Read err, channel_->read_stderr(buffer_));
  errors_.append(buffer_.data(), err.bytes);
  if (errors_.size() > longest_errors) errors_.erase(0, errors_.size() - longest_errors);
  if (received_.size() > most_received) {
    return failed(fmt::format("{}: the host answers without end", who_));
  }
  return out.bytes + err.bytes > 0;
}

// Gives away all that cannot be the beginning of the token.
Result<> RemoteShell::drain(const RemoteSink& sink) {
  if (!is_ready_ || received_.find(token_) != std::string::npos) return {};
  std::size_t kept = std::min(received_.size(), token_.size());
  while (!received_.ends_with(std::string_view(token_).substr(0, kept))) --kept;
  const std::size_t count = received_.size() - kept;
  if (count == 0) return {};
  PCA_CHECK(sink(std::string_view(received_).substr(0, count)));
  received_.erase(0, count);
  searched_ = 0;
  return {};
}

std::optional<RemoteShell::Answer> RemoteShell::take_answer() {
  const std::string mark = token_ + " ";
  const std::size_t at = received_.find(mark, searched_);
  if (at == std::string::npos) {
    searched_ = received_.size() - std::min(received_.size(), mark.size());
    return std::nullopt;
  }
  searched_ = at;
  const std::size_t end = received_.find('\n', at);
  const std::size_t errors_end = errors_.find(token_ + "\n");
  if (end == std::string::npos || errors_end == std::string::npos) return std::nullopt;
  Answer answer{received_.substr(0, at), errors_.substr(0, errors_end), 1};
  const char* const line_end = received_.data() + end;
  const auto code = std::from_chars(received_.data() + at + mark.size(), line_end, answer.code);
  if (code.ptr != line_end) std::from_chars(code.ptr + 1, line_end, pid_);
  received_.erase(0, end + 1);
  errors_.erase(0, errors_end + token_.size() + 1);
  searched_ = 0;
  // What came before the first block is what login files say.
  if (!std::exchange(is_ready_, true)) return take_answer();
  return answer;
}

// The end of what it said: the first line of several is often the cause, the last a consequence.
std::string RemoteShell::last_words(std::string_view errors) {
  constexpr std::size_t most_lines = 3;
  std::vector<std::string> lines = split_list(errors);
  if (lines.empty()) return {};
  if (lines.size() > most_lines) lines.erase(lines.begin(), lines.end() - most_lines);
  return ": " + visible(join(lines, "; "));
}

Result<> RemoteShell::end(const Budget& budget) {
  bool is_told = false;
  while (!channel_->is_at_end()) {
    if (!is_told) {
      PCA_TRY(is_told, channel_->send_eof());
    }
    PCA_TRY(const bool received, receive());
    if (!received) PCA_CHECK(session_->wait(budget, {}, budget.deadline(), doing));
  }
  return {};
}

Result<> RemoteShell::terminate(const Budget& budget) {
  if (pid_ <= 1) return failed(fmt::format("{}: the host has not told its process", who_));
  // By a command, because sshd passes on signals to other users than root only.
  PCA_TRY(const auto killer,
          session_->exec(budget, fmt::format("{}sh -c \"kill -s TERM {}\"", sudo_, pid_)));
  PCA_CHECK(end(budget));
  while (!channel_->exit()) {  // it may come after the end of what was said
    PCA_CHECK(session_->wait(budget, {}, budget.deadline(), doing));
    PCA_TRY(const bool received, receive());
    static_cast<void>(received);
  }
  if (channel_->exit()->code == 0) return {};
  return failed(fmt::format("{}: the host did not undo everything{}", who_, last_words(errors_)));
}

}  // namespace pca::tunnel_ssh
