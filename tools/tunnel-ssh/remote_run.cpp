#include "tunnel-ssh/remote_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "tunnel-ssh/start_mark.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t chunk_size = std::size_t{64} * 1024;
constexpr std::size_t answer_limit = 4096;  // of what a helper command on the host says
constexpr std::size_t noise_tail = 512;     // kept to explain why nothing started
constexpr Milliseconds longest_gap{500};    // between two parts of output after the command's end
constexpr Milliseconds after_end{500};      // for output that is on its way when the group is gone
constexpr Milliseconds holder_limit{3000};

// One run on one session: the main channel, and a second one for looking after what it started.
class RemoteRun {
 public:
  RemoteRun(SshSession& session, RemoteProgram program, const RunLimits& limits,
            const RunSinks& sinks, std::string who, std::stop_token stop)
      : session_(session),
        program_(std::move(program)),
        limits_(limits),
        sinks_(sinks),
        who_(std::move(who)),
        budget_(Clock::now() + limits.timeout, std::move(stop)),
        out_mark_(program_.token),
        err_mark_(program_.token) {}
  ~RemoteRun() { wipe(program_.input); }
  RemoteRun(const RemoteRun&) = delete;
  RemoteRun& operator=(const RemoteRun&) = delete;

  RunEnd run() {
    auto channel = session_.exec(budget_, program_.command);
    if (!channel) {
      end_.error = start_failure(std::move(channel).error());
      return std::move(end_);
    }
    channel_ = *std::move(channel);
    const Result<> ended = work();
    flush_marks();
    if (!ended) {
      after_failure(ended.error());
    } else {
      judge();
    }
    return std::move(end_);
  }

 private:
  // Until the command ended and its output is complete, or somebody held the channel for too long.
  Result<> work() {
    while (!(channel_->exit() && channel_->is_at_end())) {
      if (channel_->exit() && !linger_until_) start_lingering();
      PCA_CHECK(budget_.check("running the command"));
      PCA_TRY(const bool sent, send_input());
      PCA_TRY(const bool received, receive());
      if (received && linger_until_) keep_lingering();
      const bool flows_too_long = linger_until_ && Clock::now() >= backlog_until_;
      if ((sent || received) && !flows_too_long) continue;
      if (linger_until_ && Clock::now() >= *linger_until_) {
        name_holders();
        break;
      }
      // Some servers close the channel without a word; writing nothing shows it.
      if (channel_->is_at_end() && !channel_->exit() && !channel_->write({})) return {};
      const Clock::time_point wake_at = linger_until_.value_or(budget_.deadline());
      PCA_CHECK(session_.wait(budget_, {}, wake_at, "running the command"));
    }
    close_channel(*channel_, after_end);
    return {};
  }

  // The command itself was in time, so what may follow is not measured by its time limit.
  void start_lingering() {
    linger_until_ = Clock::now() + limits_.linger;
    backlog_until_ = std::max(*linger_until_, Clock::now() + limits_.backlog);
    budget_ = Budget(backlog_until_ + holder_limit + after_end, budget_.stop());
  }

  // What was written before the end may take longer than that to come here and to be shown.
  void keep_lingering() {
    const Clock::time_point next = Clock::now() + std::min(limits_.linger, longest_gap);
    linger_until_ = std::min(std::max(*linger_until_, next), backlog_until_);
  }

  Result<bool> send_input() {
    if (input_ended_) return false;
    const std::string_view rest = std::string_view(program_.input).substr(sent_);
    if (!rest.empty()) {
      const auto taken = channel_->write(rest);
      if (!taken) {
        input_ended_ = channel_->exit() || channel_->is_at_end();  // it ended without reading
        if (input_ended_) return true;
        return taken.error();
      }
      sent_ += *taken;
      return *taken > 0;
    }
    input_sent_ = true;
    PCA_TRY(input_ended_, channel_->send_eof());
    if (input_ended_) wipe(program_.input);
    return input_ended_;
  }

  Result<bool> receive() {
    PCA_TRY(const ByteStream::Read out, channel_->read(buffer_));
    if (out.bytes > 0) take_out({buffer_.data(), out.bytes});
    PCA_TRY(const ByteStream::Read err, channel_->read_stderr(buffer_));
    if (err.bytes > 0) take_err({buffer_.data(), err.bytes});
    return out.bytes + err.bytes > 0;
  }

  void take_out(std::string_view chunk) {
    const bool was_found = out_mark_.found();
    const StartMark::Split split = out_mark_.feed(chunk);
    take_noise(split.noise);
    if (!was_found && out_mark_.found()) {
      start_ = parse_start_line(out_mark_.line());
      end_.started = start_.complete;
      end_.shell = start_.shell;
    }
    end_.out_bytes += split.output.size();
    if (!split.output.empty() && sinks_.out) sinks_.out(split.output);
  }

  void take_err(std::string_view chunk) {
    const StartMark::Split split = err_mark_.feed(chunk);
    take_noise(split.noise);
    end_.err_bytes += split.output.size();
    if (!split.output.empty() && sinks_.err) sinks_.err(split.output);
  }

  void take_noise(std::string_view text) {
    if (text.empty()) return;
    noise_ += text;
    if (noise_.size() > noise_tail) noise_.erase(0, noise_.size() - noise_tail);
    if (sinks_.noise) sinks_.noise(text);
  }

  void flush_marks() {
    take_noise(out_mark_.finish());
    take_noise(err_mark_.finish());
  }

  // Runs a small command of ours on a second channel, while the first one's output goes on. Gives
  // what it printed, or nothing when the host would not.
  std::string ask(const Budget& budget, const std::string& command) {
    auto helper = session_.exec(budget, command);
    if (!helper) return {};
    SshChannel& channel = **helper;
    std::string answer;
    while (!channel.is_at_end()) {
      const auto received = receive();
      const auto read = channel.read(helper_buffer_);
      const auto dropped = channel.read_stderr(drop_buffer_);
      if (!received || !read || !dropped) break;
      if (answer.size() < answer_limit) answer.append(helper_buffer_.data(), read->bytes);
      if (budget.is_over()) break;  // while output flows nobody else looks
      if (*received || read->bytes + dropped->bytes > 0) continue;
      if (!session_.wait(budget, {}, budget.deadline(), "looking after the command")) break;
    }
    close_channel(channel, budget.left());
    return answer;
  }

  // Ends what runs on the host, and says so when it cannot be sure. It has a budget of its own: the
  // run's is spent or cancelled.
  void end_remote() {
    const Budget budget = Budget::of(limits_.cleanup);
    (void)channel_->send_signal("TERM");  // OpenSSH 7.9 and later pass it on; others do not answer
    while (start_.group == 0 && !budget.is_over() && !channel_->is_at_end()) {
      const auto received = receive();
      if (!received) break;
      if (*received) continue;
      if (!input_sent_) break;  // it never saw the whole script, so none of it runs
      if (!session_.wait(budget, {}, budget.deadline(), "ending the command")) break;
    }
    bool is_gone = !input_sent_ || (out_mark_.found() && !start_.complete);
    if (start_.group != 0) {
      const Milliseconds limit = budget.left() - after_end;
      const std::string answer =
          ask(budget, reap_command(start_.group, program_.become, limits_.patience, limit));
      is_gone = trim(answer) == "gone";
    }
    drain(Budget::of(std::min(after_end, budget.left())));
    close_channel(*channel_, budget.left());
    if (!is_gone && sinks_.warning) sinks_.warning(not_gone());
  }

  [[nodiscard]] std::string not_gone() const {
    const std::string what = start_.group == 0 ? std::string("the command")
                                               : fmt::format("process group {}", start_.group);
    return fmt::format("{}: could not make sure that {} has ended there.", who_, what);
  }

  void drain(const Budget& budget) {
    while (!(channel_->exit() && channel_->is_at_end())) {
      const auto received = receive();
      if (!received || budget.is_over()) return;
      if (*received) continue;
      if (!session_.wait(budget, {}, budget.deadline(), "reading the last output")) return;
    }
  }

  void name_holders() {
    if (!sinks_.warning) return;
    std::string names;
    if (start_.group != 0) {
      names = ask(budget_.at_most(holder_limit), holders_command(start_.group, program_.become));
    }
    std::vector<std::string> lines;
    for (const std::string& line : split_list(names)) lines.push_back(visible(line));
    const std::string by = lines.empty()
                               ? std::string("a background process that left its process group")
                               : join(lines, ", ");
    sinks_.warning(fmt::format(
        "{}: the command has ended, but its output is still held open by {}. Not waiting for it "
        "any longer; redirect its output (>/dev/null 2>&1 </dev/null &) to avoid the wait.",
        who_, by));
  }

  void close_channel(SshChannel& channel, Milliseconds limit) {
    const Budget budget = Budget::of(std::min(limit, after_end));
    for (;;) {
      const auto closed = channel.close();
      if (!closed || *closed) return;
      if (!session_.wait(budget, {}, budget.deadline(), "closing the channel")) return;
    }
  }

  Error start_failure(Error error) {
    if (error.kind != ErrorKind::unreachable || budget_.is_over()) return error;
    return std::move(error).within(fmt::format("starting the command on {}", who_));
  }

  void after_failure(const Error& error) {
    const bool is_cancelled = budget_.is_cancelled();
    if (is_cancelled || budget_.is_over()) {
      end_.timed_out = !is_cancelled;
      end_remote();
      end_.error = is_cancelled
                       ? cancelled(fmt::format("{}: cancelled while the command ran", who_))
                       : unreachable(fmt::format("{}: the command did not end within {}", who_,
                                                 format_duration(limits_.timeout)),
                                     "Raise `timeout`, or find out what it waits for: its stdin "
                                     "is /dev/null.");
      return;
    }
    if (error.kind == ErrorKind::failed && !end_.started) {
      end_.error = error;  // the server refused to start it
      return;
    }
    if (!input_sent_) {
      end_.error = unreachable(
          fmt::format("{}: the connection broke before the whole script was sent, so none of it "
                      "ran: {}",
                      who_, error.message),
          error.hint);
      return;
    }
    end_.error = outcome_unknown(
        fmt::format("{}: the connection broke while the command ran, so nobody knows how it "
                    "ended: {}",
                    who_, error.message),
        "Look at the host before running it again.");
  }

  // The command ended, or somebody answered in its place.
  void judge() {
    end_.exit = channel_->exit();
    if (!end_.exit) {
      end_.error =
          outcome_unknown(fmt::format("{}: the host did not say how the command ended", who_),
                          "Look at the host before running it again.");
    } else if (!end_.started) {
      end_.error = never_started();
    } else if (end_.exit->signal == SshChannel::unnamed_signal) {
      end_.error = failed(
          fmt::format("{}: the command was ended by a signal that the host does not name", who_),
          "It may be BUS, SYS, XCPU (out of CPU time) or XFSZ (file too large).");
    } else if (!end_.exit->signal.empty()) {
      end_.error = failed(
          fmt::format("{}: the command was ended by signal {}", who_, visible(end_.exit->signal)));
    } else if (end_.exit->code != 0) {
      end_.error =
          failed(fmt::format("{}: the command failed with exit code {}", who_, end_.exit->code));
    }
  }

  Error never_started() {
    if (out_mark_.found()) {
      return failed(fmt::format("{}: the script did not arrive whole, so none of it ran", who_),
                    "Something read a part of it from stdin: look for a login file there "
                    "(~/.bashrc, ~/.zshenv, ...) that reads stdin.");
    }
    const std::string said =
        noise_.empty() ? std::string() : fmt::format(": {}", visible(trim(last_line(noise_))));
    if (!program_.become.empty() && noise_.find("password is required") != std::string::npos) {
      return failed(fmt::format("{}: sudo wants a password to become {}", who_, program_.become),
                    "Allow it without one there (NOPASSWD in sudoers), or log in as that user.");
    }
    if (end_.exit->code == 0 && end_.exit->signal.empty()) {
      return failed(
          fmt::format("{}: the host ended with 0 before reading the whole script{}", who_, said),
          "A forced command (command= in authorized_keys, ForceCommand) or a login shell such as "
          "true or nologin ran in its place.");
    }
    return failed(
        fmt::format("{}: the host ended with {} before starting the script{}", who_,
                    end_.exit->code, said),
        program_.become.empty()
            ? "A forced command (command= in authorized_keys, ForceCommand) ran in its place, or "
              "the login shell could not run `sh`."
            : fmt::format("sudo could not start a shell as {}.", program_.become));
  }

  static std::string_view last_line(std::string_view text) {
    text = trim(text);
    return text.substr(text.find_last_of('\n') + 1);  // npos + 1 = 0: all of it
  }

  SshSession& session_;
  RemoteProgram program_;
  const RunLimits limits_;
  const RunSinks& sinks_;
  const std::string who_;
  Budget budget_;
  std::unique_ptr<SshChannel> channel_;
  StartMark out_mark_;
  StartMark err_mark_;
  StartLine start_;
  RunEnd end_;
  std::string noise_;
  std::size_t sent_ = 0;
  bool input_sent_ = false;                        // the host may have all of it
  bool input_ended_ = false;                       // and knows that nothing follows
  std::optional<Clock::time_point> linger_until_;  // unless more output comes
  Clock::time_point backlog_until_{};              // whatever comes
  std::vector<char> buffer_ = std::vector<char>(chunk_size);
  std::array<char, answer_limit> helper_buffer_{};
  std::array<char, answer_limit> drop_buffer_{};
};

}  // namespace

RunEnd run_program(SshSession& session, RemoteProgram program, const RunLimits& limits,
                   const RunSinks& sinks, const std::string& who, const std::stop_token& stop) {
  return RemoteRun(session, std::move(program), limits, sinks, who, stop).run();
}

}  // namespace pca::tunnel_ssh
